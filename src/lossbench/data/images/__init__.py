"""Image data sets: which files there are, how they are read, kept and cropped."""
