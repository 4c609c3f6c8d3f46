"""The report of a fair fight: losses compared at settings that were searched with the same budget for each."""
