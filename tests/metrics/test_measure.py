"""All tasks: wrong input, intervals against resampling, and that each has losses, metrics and a headline."""

import pytest
import torch
from outputs import judge, normal
from torch import Tensor

from lossbench.config.rules import TASKS
from lossbench.metrics.measure import VIEWS
from lossbench.metrics.registry import ONE_CLASS, headlines

TARGET = normal(400, 3, seed=1)
OUTPUT = TARGET + 0.5 * normal(400, 3, seed=2).exp()


@pytest.mark.parametrize(
    ("task", "output", "target", "message"),
    [
        ("regression", torch.zeros(3, 1), torch.zeros(3), "must have one shape"),
        ("vectors", torch.zeros(0, 2), torch.zeros(0, 2), "n >= 1"),
        ("ranking", torch.zeros(3, 2), torch.tensor([1.0, 0, -1]), r"target must be \+1 or -1, got 0"),
        ("multi_label", torch.zeros(3, 2), torch.zeros(3), r"must have one shape \(n, C\)"),
        ("multi_label", torch.zeros(2, 1), torch.tensor([[1.0], [0.5]]), "target must be 0 or 1"),
        ("similarity", torch.zeros(3, 2), torch.ones(3), r"must have shapes \(n, 2, D\)"),
        ("triplets", torch.zeros(3, 2, 4), torch.ones(3), r"must have shapes \(n, 3, D\)"),
    ],
)
def test_wrong_input_is_refused(task: str, output: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge(task, output, target)


def resampled(task: str, output: Tensor, target: Tensor, names: set[str]) -> dict[str, float]:
    """1.96 standard deviations of the metrics over splits drawn from this one."""
    generator, values = torch.Generator().manual_seed(5), {name: list[float]() for name in names}
    for _ in range(400):
        index = torch.randint(len(target), (len(target),), generator=generator)
        found = judge(task, output[index], target[index])
        for name in names:
            values[name].append(found[name].value)
    return {name: 1.96 * torch.tensor(each).std().item() for name, each in values.items()}


@pytest.mark.parametrize(
    ("task", "output", "target"),
    [
        ("regression", OUTPUT, TARGET),
        ("vectors", OUTPUT, TARGET),
        ("distribution", OUTPUT, TARGET.softmax(1)),
        ("count", OUTPUT, TARGET.exp().round()),
        ("ranking", OUTPUT[:, :2], TARGET[:, 0].sign()),
        ("similarity", torch.stack((OUTPUT, TARGET), 1), TARGET[:, 0].sign()),
        ("multi_label", OUTPUT - 1, (TARGET > 0.5).double()),
        ("classification", OUTPUT, TARGET.argmax(1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_intervals_are_as_wide_as_those_of_resampling(task: str, output: Tensor, target: Tensor) -> None:
    found = judge(task, output, target)
    names = {"macro_f1"} if task == "classification" else set(found)
    widths = resampled(task, output, target, names)
    for name in names:
        assert found[name].half_width == pytest.approx(widths[name], rel=0.2), name


def test_every_task_has_losses_metrics_and_a_headline() -> None:
    assert VIEWS.keys() == {"classification", *TASKS}
    forms = {"ranking": (4, 2, 1), "similarity": (4, 2, 3), "triplets": (4, 3, 3)}
    for task in VIEWS:
        output = normal(*forms.get(task, (4, 3)))
        target = torch.ones(4) if task in forms else output.argmax(1) if task in ONE_CLASS else output.softmax(1)
        target = target.round() if task == "multi_label" else target
        assert any(name in headlines() for name in judge(task, output, target)), task
