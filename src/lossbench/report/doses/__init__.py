"""Losses compared at several doses of one number of the data: how many examples, how many wrong labels, how rare."""
