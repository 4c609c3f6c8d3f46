"""Run directories through the vectorised engine: which runs share a stack, how many at once, and the files of each."""
