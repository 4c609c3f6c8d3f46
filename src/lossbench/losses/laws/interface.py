"""Laws of what training relies on: a module without state, errors for wrong shapes, logits for a softmax."""

import copy

import torch
from torch import Tensor
from torch.testing import assert_close

from lossbench.losses.case import Case, Setting, examples

WRONG = (
    (torch.zeros(5), torch.tensor(1), "logits must be"),
    (torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "logits must be"),
    (torch.zeros(2, 5), torch.zeros(3, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 1, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.int64), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, 4), "target must be"),
    (torch.zeros(2, 5), torch.zeros(2, dtype=torch.int32), "target must be"),
)


def a_module_copies_prints_and_has_no_state(case: Case, setting: Setting) -> None:
    """A module shows its settings, can be copied, and keeps no weights."""
    logits, target, _ = examples()
    loss = case.module(**setting)
    assert repr(loss).startswith(f"{case.module.__qualname__}("), repr(loss)
    assert all(f"{name}={getattr(loss, name)!r}" in repr(loss) for name in setting), repr(loss)
    assert not loss.state_dict(), "weights belong into a head"
    assert_close(copy.deepcopy(loss)(case.output(logits), target), loss(case.output(logits), target))


def wrong_shapes_and_dtypes_are_refused(case: Case) -> None:
    """Logits and targets that do not fit raise ValueError in one line (lossbench.losses.base.scores checks them)."""
    for logits, target, message in WRONG:
        if target.is_floating_point() and not case.soft_targets:
            continue
        given = f"logits {tuple(logits.shape)} {logits.dtype} with target {tuple(target.shape)} {target.dtype}"
        error = _error_of(case, logits, target)
        assert error.startswith(message), f"{given} gave {error}"


def _error_of(case: Case, logits: Tensor, target: Tensor) -> str:
    made = case.output(torch.zeros(2, 5))
    try:
        case.function(type(made)(*[logits] * len(made)) if isinstance(made, tuple) else logits, target)
    except ValueError as error:
        return str(error)
    return "no error"


def logits_predict_as_the_output(case: Case) -> None:
    """What a softmax turns into probabilities has a row for each example and the same largest class as the output."""
    logits, _, _ = examples()
    found = case.module().logits(case.output(logits))
    assert found.shape == logits.shape, f"{tuple(logits.shape)} outputs gave logits {tuple(found.shape)}"
    assert_close(found.argmax(-1), logits.argmax(-1))
