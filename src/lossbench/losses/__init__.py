"""Losses: pure functions with one value per example, and modules that hold their hyper-parameters.

Every file names in its `__all__` what it adds here.
"""

from lossbench.losses.base import Loss as Loss
from lossbench.losses.classic import *
from lossbench.losses.cosine import *
from lossbench.losses.likelihood import *
from lossbench.losses.margin import *
from lossbench.losses.pairs import *
from lossbench.losses.prior import *
from lossbench.losses.probability import *
from lossbench.losses.regression import *
from lossbench.losses.robust import *
