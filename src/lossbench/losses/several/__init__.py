"""Losses of several labels an example, beside `bce`, with a sigmoid for each label."""
