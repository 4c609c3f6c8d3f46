"""Learning-rate schedules as pure functions of the step: without state to resume, for any engine.

Steps count from 0 and one step is one update of the weights; an epoch is steps_per_epoch of them.
A factor multiplies the optimiser's learning rate and lies in 0..1: the learning rate given is the highest one used.
"""

from lossbench.training.schedules.base import Schedule
from lossbench.training.schedules.decay import Constant, Cosine, Step
from lossbench.training.schedules.one_cycle import Finetune, OneCycle

__all__ = ["Constant", "Cosine", "Finetune", "OneCycle", "Schedule", "Step"]
