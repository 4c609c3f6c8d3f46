"""What may be changed in any data set, to see what that costs: its labels, its classes' sizes, its size. Torch-free."""
