"""Features of a frozen backbone: how they are computed, kept and made a data set."""
