"""Losses of several labels that are others under another name; the others are in tests/classic_cases.py."""

from lossbench import losses
from tests.cases.naive import Aliases

ALIASES: Aliases = {"multi_label_soft_margin": (losses.BCE, {})}
