"""Metrics of a whole evaluated split, each with how far chance alone may have moved it.

Every function takes all outputs of a split at once, so nothing here depends on the batch size. Intervals say how much the value would vary
with other examples of the same kind; they do not cover the choice of seed.
"""

from lossbench.metrics.classification import ECE_BINS as ECE_BINS
from lossbench.metrics.classification import classification_metrics as classification_metrics
from lossbench.metrics.classification import fit_scale as fit_scale
from lossbench.metrics.intervals import Metric as Metric
from lossbench.metrics.intervals import interval_of_mean as interval_of_mean
from lossbench.metrics.pairs import ranking_metrics as ranking_metrics
from lossbench.metrics.pairs import similarity_metrics as similarity_metrics
from lossbench.metrics.pairs import triplet_metrics as triplet_metrics
from lossbench.metrics.regression import count_metrics as count_metrics
from lossbench.metrics.regression import distribution_metrics as distribution_metrics
from lossbench.metrics.regression import regression_metrics as regression_metrics
from lossbench.metrics.regression import vector_metrics as vector_metrics
