"""From run directories to the vectorised engine and back: which runs can share a stack, how many at once, and the files each gets."""
