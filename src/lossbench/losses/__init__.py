"""Losses: pure functions with one value per example, and modules that hold their hyper-parameters.

This is a public API (docs/use_a_loss.md). Every file names in its `__all__` what it adds here.
"""

from lossbench.losses.adacos import *
from lossbench.losses.base import Loss as Loss
from lossbench.losses.classic import *
from lossbench.losses.confidence.confidence_penalty import *
from lossbench.losses.confidence.focal import *
from lossbench.losses.confidence.logit_norm import *
from lossbench.losses.confidence.logit_penalty import *
from lossbench.losses.cosine import *
from lossbench.losses.likelihood import *
from lossbench.losses.long_tail.class_balanced import *
from lossbench.losses.long_tail.ldam import *
from lossbench.losses.long_tail.logit_adjusted import *
from lossbench.losses.long_tail.seesaw import *
from lossbench.losses.margin import *
from lossbench.losses.noisy.bootstrap import *
from lossbench.losses.noisy.bounded import *
from lossbench.losses.noisy.correction import *
from lossbench.losses.noisy.normalized import *
from lossbench.losses.noisy.tempered import *
from lossbench.losses.ordered.coral import *
from lossbench.losses.ordered.corn import *
from lossbench.losses.ordered.squared_emd import *
from lossbench.losses.outputs import ClassCosines as ClassCosines
from lossbench.losses.outputs import HeadOutput as HeadOutput
from lossbench.losses.outputs import RankOutput as RankOutput
from lossbench.losses.pairs import *
from lossbench.losses.probability import *
from lossbench.losses.regression import *
from lossbench.losses.robust import *
from lossbench.losses.several.asymmetric import *
from lossbench.losses.several.bce import *
from lossbench.losses.several.sigmoid_focal import *
from lossbench.losses.square import *

__all__ = sorted(name for name, value in globals().items() if callable(value))  # pyright: ignore[reportUnsupportedDunderAll]
