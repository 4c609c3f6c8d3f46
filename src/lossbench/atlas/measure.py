"""What a loss is, in numbers: along a path, at chance, at its extremes, for other settings. No training, no data."""

from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossbench.atlas.catalog import CLASSES, Entry
from lossbench.atlas.finite import DTYPES, LARGEST, Call, cosines_of, error_up_to, gap_up_to
from lossbench.atlas.measured import Band, Chance, Curve, Measured, Swept
from lossbench.errors import UserError, one_line
from lossbench.losses.outputs import HeadOutput

CHANCE = (2, 3, 5, 10, 20, 37, 50, 100, 200, 500, 1000)
OTHERS = 1.0  # the logit that the other classes share; losses of p alone do not see it
VALUES: dict[str, tuple[float, ...]] = {
    "q": (-1, -0.2, 0, 0.7, 1, 2),
    "label_smoothing": (0, 0.05, 0.1, 0.2, 0.4),
    "scale": (1, 4, 8, 16, 32),
}
FACTORS = (0.25, 0.5, 1, 1.5, 2, 4)
FROM_ZERO = (0, 0.1, 0.25, 0.5, 1)
MOST = 6  # curves of one picture
STEPS = 17  # values of a searched range


def measure(entry: Entry) -> Measured | str:
    """Measure a loss with its default settings.

    Returns:
        What was found, or in words why it has no picture.
    """
    if "classification" in entry.tasks:
        return _classification(entry)
    if "regression" in entry.tasks:
        return _regression(entry)
    return f"for {', '.join(entry.tasks)}, and no function of one number"


def along(call: Call, x: np.ndarray, path: str, classes: int = CLASSES) -> Curve:
    """Measure a loss along a path, in float64.

    Args:
        call: (output, target) -> (batch,) values.
        x: (n,) places on the path.
        path: probability, cosine or error.
        classes: C.
    """
    place = torch.as_tensor(x, dtype=torch.float64)
    true = (OTHERS + torch.logit(place) + log(classes - 1)) if path == "probability" else place.clone()
    true.requires_grad_()
    value = _values(call, true, path, classes)
    (gradient,) = torch.autograd.grad(value.sum(), true)
    slope = gradient / (place * (1 - place)) if path == "probability" else gradient
    return Curve(x, value.detach().numpy(), slope.numpy(), gradient.numpy())


def _values(call: Call, true: Tensor, path: str, classes: int) -> Tensor:
    if path == "error":
        return call(true.unsqueeze(-1), torch.zeros_like(true).unsqueeze(-1)).reshape(-1)
    others = torch.full((len(true), classes - 1), OTHERS if path == "probability" else 0.0, dtype=true.dtype)
    return call(torch.cat([true.unsqueeze(-1), others], -1), torch.zeros(len(true), dtype=torch.int64))


def places(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a path is drawn, and where its minimum is looked for."""
    if path == "probability":
        odds = np.linspace(-13, 13, 521)
        return np.linspace(0.005, 0.995, 100), np.unique(
            np.concatenate([1 / (1 + np.exp(-odds)), np.linspace(0.001, 0.999, 999)])
        )
    end = 0.999 if path == "cosine" else 4.0
    return np.linspace(-end, end, 101), np.linspace(-end, end, 2001)


def calls(loss: Any) -> Call | str:
    """Find the form of output and target that a classification loss takes; its error as text where it takes none."""
    z, y = torch.eye(3, dtype=torch.float64)[[0, 1]] / 2, torch.tensor([0, 1])
    said = ""
    for output in (lambda z: z, lambda z: HeadOutput(z, z)):
        for target in (lambda z, y: y, lambda z, y: torch.nn.functional.one_hot(y, z.shape[-1]).to(z.dtype)):
            try:
                values = loss.per_example(output(z), target(z, y))
            except (ValueError, TypeError, AttributeError, RuntimeError, IndexError) as error:
                said = said or one_line(error)
                continue
            if values.shape == y.shape:
                return lambda z, y, output=output, target=target: loss.per_example(output(z), target(z, y))
            said = said or f"it gives values of shape {tuple(values.shape)}"
    return said


def _classification(entry: Entry) -> Measured | str:
    call = calls(entry.make())
    if isinstance(call, str):
        return f"not to be called with logits and classes ({call})"
    path = "cosine" if entry.head and _takes_plain(entry.make()) else "probability"
    drawn, dense = places(path)
    minimum, falls = _minimum(along(call, dense, path))
    if falls:
        minimum = (1.0, _at_the_end(call, path))
    return Measured(
        path=path,
        of_p=path == "probability" and _of_p(call),
        curve=along(call, drawn, path),
        minimum=minimum,
        falls=falls,
        finite={name: gap_up_to(_of_logits(call, path), dtype) for name, dtype in DTYPES.items()},
        chance=_at_chance(call) if path == "probability" else None,
        swept=_sweep(entry, path, drawn),
        contour=_contour(call, 6.0 if path == "probability" else 1.0),
    )


def _of_logits(call: Call, path: str) -> Call:
    return (lambda z, y: call(cosines_of(z), y)) if path == "cosine" else call


def _regression(entry: Entry) -> Measured | str:
    call = entry.make().per_example
    drawn, dense = places("error")
    try:
        curve, looked = along(call, drawn, "error"), along(call, dense, "error")
    except (ValueError, TypeError, AttributeError, RuntimeError, IndexError) as error:
        return f"not to be called with outputs and targets (batch, 1) ({one_line(error)})"
    k, rises = int(looked.value.argmin()), np.diff(looked.value)
    half = len(rises) // 2
    falls = bool((rises[:half] <= 1e-12).all() and (rises[half:] >= -1e-12).all())
    finite = {name: error_up_to(call, dtype) for name, dtype in DTYPES.items()}
    return Measured(
        "error",
        False,
        curve,
        (float(dense[k]), float(looked.value[k])),
        falls,
        finite,
        swept=_sweep(entry, "error", drawn),
    )


def _takes_plain(loss: Any) -> bool:
    try:
        loss.per_example(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _minimum(curve: Curve) -> tuple[tuple[float, float], bool]:
    k, room = int(curve.value.argmin()), 1e-12 * max(1.0, float(np.abs(curve.value).max()))
    return (float(curve.x[k]), float(curve.value[k])), bool((np.diff(curve.value) <= room).all())


def _at_the_end(call: Call, path: str) -> float:
    """The loss where the answer is as right as it can be."""
    true = torch.tensor([LARGEST if path == "probability" else 1.0], dtype=torch.float64)
    return float(_values(call, true, path, CLASSES))


def _of_p(call: Call) -> bool:
    z = 2 * torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.arange(5) % 4
    return bool(((call(z + 3, y) - call(z, y)).abs() < 1e-9).all())


def _at_chance(call: Call) -> Chance | None:
    found = []
    for classes in CHANCE:
        try:
            curve = along(call, np.array([1 / classes]), "probability", classes)
        except ValueError:  # settings made for another number of classes
            continue
        found.append((classes, curve.value[0], curve.gradient[0]))
    return Chance(*(np.array(column) for column in zip(*found, strict=True))) if len(found) > 1 else None


def _sweep(entry: Entry, path: str, x: np.ndarray) -> dict[str, Swept]:
    loss = entry.make()
    numbers = {
        n: v
        for n, v in loss.hyper_parameters().items()
        if isinstance(v, int | float) and not isinstance(v, bool) and n not in getattr(loss, "schedule", ())
    }
    swept = {name: _variants(entry, name, default, path, x) for name, default in numbers.items()}
    return {name: found for name, found in swept.items() if len(found.curves) > 1}


def _variants(entry: Entry, name: str, default: float, path: str, x: np.ndarray) -> Swept:
    tried = VALUES.get(name) or (FROM_ZERO if default == 0 else tuple(factor * default for factor in FACTORS))
    if isinstance(default, int):
        tried = tuple(int(value) for value in tried)
    curves, refused = {}, []
    for value in dict.fromkeys(type(default)(f"{value:.12g}") for value in (default, *tried)):
        curve = _variant(entry, {name: value}, path, x)
        if curve is None:
            refused.append(value)
        elif len(curves) < MOST:
            curves[value] = curve
    return Swept(dict(sorted(curves.items())), sorted(refused), _searched(entry, name, path, x))


def _searched(entry: Entry, name: str, path: str, x: np.ndarray) -> Band | None:
    """Measure a loss over the range of a setting, the others being at their defaults."""
    if (given := entry.ranges.get(name)) is None:
        return None
    values = [given.value(u, {}) for u in np.linspace(0, 1, STEPS)]
    curves = [curve for value in values if (curve := _variant(entry, {name: value}, path, x)) is not None]
    stacked = [np.stack([curve[part] for curve in curves]) for part in range(1, len(Curve._fields))]
    low, high = ([function(each, 0) for each in stacked] for function in (np.min, np.max))
    return Band(given, Curve(x, *low), Curve(x, *high))


def _variant(entry: Entry, setting: dict[str, float], path: str, x: np.ndarray) -> Curve | None:
    """Measure a loss for another setting; None where it is not defined."""
    try:
        loss = entry.make(**setting)
        call = loss.per_example if path == "error" else calls(loss)
        return None if isinstance(call, str) else along(call, x, path)
    except (ValueError, UserError):
        return None


def _contour(call: Call, end: float) -> tuple[np.ndarray, np.ndarray]:
    axis = torch.linspace(-end, end, 49, dtype=torch.float64)
    other, true = torch.meshgrid(axis, axis, indexing="ij")
    leaf = torch.stack(
        [true.flatten(), other.flatten(), torch.zeros(true.numel(), dtype=torch.float64)], -1
    ).requires_grad_()
    value = call(leaf, torch.zeros(len(leaf), dtype=torch.int64))
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return axis.numpy(), gradient.norm(dim=-1).reshape(true.shape).numpy()
