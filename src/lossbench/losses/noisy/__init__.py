"""Losses for training labels of which a part is wrong."""
