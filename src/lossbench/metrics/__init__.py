"""Metrics of a whole evaluated split, each with how far chance alone may have moved it.

Every function takes all outputs of a split at once, so nothing here depends on the batch size. Intervals say how much the value would vary
with other examples of the same kind; they do not cover the choice of seed.
"""
