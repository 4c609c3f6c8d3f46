"""Command lines: what a user types, and errors in one line. Torch-free."""
