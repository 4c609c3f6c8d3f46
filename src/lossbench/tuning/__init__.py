"""The fair fight: every loss tuned with the same budget, in every replicate. Torch-free."""
