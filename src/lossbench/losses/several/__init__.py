"""Losses with a sigmoid of its own for each class, any number of which may hold."""
