"""Metrics of a whole evaluated split, for any number of runs at once.

Each metric is defined once, by `lossbench.metrics.registry.metric`: how it is computed, its interval, unit and
direction, and where it is shown. Every function sees all outputs of a split, so nothing here depends on the batch size.
Intervals say how much the value would vary with other examples of the same kind; they do not cover the choice of seed.

The definitions are free of torch at import, because the report reads units and directions from them.
"""

from lossbench.metrics import numbers, ordered, classification, frequency, multi_label, probabilities, pairs  # noqa: F401, I001 - their order is that of the results
