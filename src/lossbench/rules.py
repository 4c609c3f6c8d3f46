"""Which hyper-parameters a loss accepts. Free of torch: a configuration is checked before anything heavy is imported."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

REDUCTIONS = ("none", "mean", "sum")


class RegionError(ValueError):
    """Numbers, each of which is one, for which together a loss is not defined."""


def check_loss(class_name: str, values: Mapping[str, object]) -> None:
    """Check the hyper-parameters of a loss.

    Args:
        class_name: name of the loss's class, such as "CosineProb".
        values: hyper-parameters by name. Names without a rule are left alone.

    Raises:
        ValueError: a value is not allowed; its one line says which, what is allowed and what was found.
        RegionError: all values are numbers, but the loss is not defined for them.
    """
    if class_name in _JOINT_RULES:
        _JOINT_RULES[class_name](values)
    for name, value in values.items():
        if name in _RULES:
            _RULES[name](name, value)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _number(allowed: str = "a finite number", test: Callable[[float], bool] = lambda value: True) -> Callable[[str, object], None]:
    def rule(name: str, value: object) -> None:
        if not (isinstance(value, Real) and _is_number(value) and test(float(value))):
            raise ValueError(f"{name} must be {allowed}, got {value!r}")

    return rule


def _weight(name: str, value: object) -> None:
    if value is None:
        return
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not numbers or not all(_is_number(w) and w >= 0 for w in numbers) or sum(numbers) <= 0:
        raise ValueError(f"{name} must be null or a list with one number >= 0 for each class and a positive sum, got {value!r}")


def _class_counts(name: str, value: object) -> None:
    if value is None:
        return
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if not numbers or not all(_is_number(n) and n > 0 for n in numbers):
        raise ValueError(f"{name} must be null (count the training split) or a list with one number > 0 for each class, got {value!r}")


def _reduction(name: str, value: object) -> None:
    if value not in REDUCTIONS:
        close = difflib.get_close_matches(str(value), REDUCTIONS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"{name} must be one of {', '.join(REDUCTIONS)}, got {value!r}{hint}")


def _cosine_prob(values: Mapping[str, object]) -> None:
    alpha, beta = values.get("alpha"), values.get("beta")
    if not (isinstance(alpha, Real) and isinstance(beta, Real) and _is_number(alpha) and _is_number(beta)):
        return
    alpha, beta = float(alpha), float(beta)
    if alpha <= 0:
        raise RegionError(f"alpha must be > 0, got {values['alpha']!r}")
    why = "outside alpha > 0, 0 <= beta <= pi * (1 - alpha / 2) the loss has its minimum inside (0, 1) and is negative"
    limit = math.pi * (1 - alpha / 2)
    if limit < 0:
        raise RegionError(f"alpha must be > 0 and at most 2, got {alpha:g}: {why}")
    if not 0 <= beta <= limit + 1e-9:  # the slack lets a grid's last point lie on the edge
        raise RegionError(f"beta must be within 0 and pi * (1 - alpha / 2) = {limit:.4f} for alpha = {alpha:g}, got {beta:g}: {why}")


def _cosface(values: Mapping[str, object]) -> None:
    if "margin" in values:
        _number(">= 0", lambda value: value >= 0)("margin", values["margin"])


def _arcface(values: Mapping[str, object]) -> None:
    if "margin" in values:
        _number("within 0 and pi / 2 (radians)", lambda value: 0 <= value <= math.pi / 2)("margin", values["margin"])


_RULES: dict[str, Callable[[str, object], None]] = {
    "alpha": _number("> 0", lambda value: value > 0),
    "beta": _number(),
    "q": _number(),
    "xent_weight": _number(">= 0", lambda value: value >= 0),
    "scale": _number("> 0", lambda value: value > 0),
    "exponent": _number("> 0", lambda value: value > 0),
    "label_smoothing": _number("at least 0 and below 1", lambda value: 0 <= value < 1),
    "gamma": _number(">= 0", lambda value: value >= 0),
    "epsilon": _number(">= -1", lambda value: value >= -1),
    "reverse_weight": _number(">= 0", lambda value: value >= 0),
    "log_zero": _number("< 0", lambda value: value < 0),
    "temperature": _number("> 0", lambda value: value > 0),
    "kappa": _number("> -0.5", lambda value: value > -0.5),
    "tau": _number(">= 0", lambda value: value >= 0),
    "class_counts": _class_counts,
    "weight": _weight,
    "reduction": _reduction,
}
_JOINT_RULES: dict[str, Callable[[Mapping[str, object]], None]] = {
    "CosineProb": _cosine_prob,
    "CosFace": _cosface,
    "ArcFace": _arcface,
}
