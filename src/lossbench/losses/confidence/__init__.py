"""Losses that change how sure a classifier becomes of its predictions."""
