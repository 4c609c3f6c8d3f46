"""Data sets: torch-free sources (what there is, how it is split) and the one data module that feeds them."""
