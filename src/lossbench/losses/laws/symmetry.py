"""Laws of order and level: examples, classes, a number added to all logits."""

from collections.abc import Sequence

import torch
from torch.testing import assert_close

from lossbench.losses.case import Case, Setting, examples


def no_example_depends_on_the_others(case: Case, setting: Setting) -> None:
    """An example's value is the same in any order and in any batch."""
    logits, target, _ = examples()
    order = torch.tensor([4, 1, 6, 0])
    assert_close(case(logits[order], target[order], setting), case(logits, target, setting)[order])


def classes_may_come_in_any_order(case: Case, setting: Setting) -> None:
    """Renaming the classes, and with them settings that have a number for each, changes nothing."""
    logits, target, _ = examples()
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = {name: _in_order(value, order.tolist()) for name, value in setting.items()}
    assert_close(case(logits[:, order], order.argsort()[target], moved), case(logits, target, setting))


def _in_order(value: object, order: Sequence[int]) -> object:
    """A setting with a number for each class, or a matrix of classes, for classes in another order."""
    return [_in_order(value[i], order) for i in order] if isinstance(value, list) else value


def shift_invariance_is_as_claimed(case: Case) -> None:
    """Adding a number to all logits changes nothing, or every value where the case says so."""
    logits, target, _ = examples()
    change = (case(logits + 3, target, {}) - case(logits, target, {})).abs()
    if case.shift_invariant is not None:
        assert bool((change < 1e-9).all()) == case.shift_invariant, f"a shift by 3 changes values by {change.tolist()}"
        assert case.shift_invariant or bool((change > 1e-3).all()), f"a shift by 3 changes values by {change.tolist()}"
