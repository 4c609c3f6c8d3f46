"""Losses for classes of which some are rare."""
