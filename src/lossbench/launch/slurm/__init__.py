"""Runs on a SLURM cluster. Torch-free."""
