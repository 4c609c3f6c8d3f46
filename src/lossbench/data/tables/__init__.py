"""Tabular data: files of rows, what their columns hold, and how they become numbers. Torch-free."""
