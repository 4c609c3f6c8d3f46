"""Which hyper-parameters a loss accepts. Torch-free: a configuration is checked before torch is imported."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

from lossbench.config.label_matrix import check_matrix
from lossbench.config.plain import is_sequence

REDUCTIONS = ("none", "mean", "sum")
LARGEST, LARGEST_TARGET = 1e6, 1e18
"""Of hyper-parameters: the largest one, and the largest in the unit of the targets, whose squares float32 holds."""

TASKS: dict[str, dict[str, str]] = {
    "regression": {"L1": "l1", "MSE": "mse", "Huber": "huber", "SmoothL1": "smooth_l1"},
    "vectors": {
        "CosineDistance": "cosine_distance",
        "L1": "l1",
        "MSE": "mse",
        "Huber": "huber",
        "SmoothL1": "smooth_l1",
    },
    "ranking": {"MarginRanking": "margin_ranking"},
    "similarity": {"CosineEmbedding": "cosine_embedding"},
    "triplets": {"TripletMargin": "triplet_margin"},
    "distribution": {"KLDiv": "kl_div", "CrossEntropy": "cross_entropy", "NLL": "nll", "SoftmaxMSE": "softmax_mse"},
    "count": {"PoissonNLL": "poisson_nll"},
    "multi_label": {"BCE": "bce", "Asymmetric": "asymmetric", "SigmoidFocal": "sigmoid_focal"},
    "ordinal": {"Coral": "coral", "Corn": "corn", "SquaredEMD": "squared_emd"},
}
"""Task -> class -> name of the losses for it. A loss that is not here is for classification, and so are these:"""
CLASSIFIERS = ("CrossEntropy", "NLL", "SoftmaxMSE", "BCE")
TO_TYPE = {"multi_label": "; type loss=bce yardsticks=[bce]"}
"""Task -> what to type for it, where the data set's defaults are those of another task."""
IN_ORDER = "; data.ordered=true says that the classes are in order"
ONE_CLASS = ("classification", "ordinal")
"""The tasks whose examples have one class each: losses of classification take both."""
OF_CLASSES = "cross_entropy, cosine_xent, bce and all that are for no other task"
SEVERAL_TERMS = ("NCEMAE", "SymmetricCrossEntropy", "Squentropy", "CosineXent", "CosineXentHead")
"""The losses whose terms are measured too."""
NOT_LOGITS = ("Cosine", "CosineXent", "MultiMargin", "SquareLoss")
"""The losses whose outputs become probabilities only once a scale has been fitted: cosines of scale 1, and margins."""


class RegionError(ValueError):
    """Numbers, each of which is one, for which together a loss is not defined."""


def check_loss(class_name: str, values: Mapping[str, object]) -> None:
    """Check the hyper-parameters of a loss.

    Args:
        class_name: name of the loss's class, such as "CosineProb".
        values: hyper-parameters by name. Names without a rule are left alone.

    Raises:
        ValueError: a value is not allowed; one line with its name, what is allowed and what was found.
        RegionError: all values are numbers, but the loss is not defined for them.
    """
    if class_name in _JOINT_RULES:
        _JOINT_RULES[class_name](values)
    rules = {**_RULES, **_RULES_OF.get(class_name, {})}
    for name, value in values.items():
        if name in rules:
            rules[name](name, value)


def tasks_of(class_name: str) -> tuple[str, ...]:
    """Give the tasks that a loss of this package is for: classification where `TASKS` does not list it."""
    others = tuple(task for task, fitting in TASKS.items() if class_name in fitting)
    return ("classification", *others) if class_name in CLASSIFIERS or not others else others


def check_task(loss: str, tasks: Sequence[str], data: str, task: str) -> None:
    """Refuse a loss that is not for the task of the data.

    Args:
        loss: how it is named in the message.
        tasks: what it is for.
        data: how the data set is named in the message.
        task: of the data set.

    Raises:
        ValueError: names the losses that fit.
    """
    fits = task in tasks or (task in ONE_CLASS and "classification" in tasks)
    if not fits:
        fitting = ", ".join([*TASKS.get(task, {}).values(), *([OF_CLASSES] if task in ONE_CLASS else [])])
        raise ValueError(
            f"{loss} is for {' and '.join(tasks)}, but the task of data={data} is {task}; losses for it: {fitting}"
            f"{TO_TYPE.get(task, '')}{IN_ORDER if 'ordinal' in tasks and task == 'classification' else ''}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)  # pyright: ignore[reportUnnecessaryIsInstance] - a bool is a Real


def _number(
    allowed: str = "a finite number", test: Callable[[float], bool] = lambda value: True, most: float = LARGEST
) -> Callable[[str, object], None]:
    """The rule of a number; one larger than `most` would leave float32's range, squared or as an exponent."""

    def rule(name: str, value: object) -> None:
        if not (isinstance(value, Real) and _is_number(value) and test(float(value))):
            raise ValueError(f"{name} must be {allowed}, got {value!r}")
        if abs(float(value)) > most:
            raise ValueError(f"{name} must be at most {most:g} in size, as float32 ends at 3.4e38, got {value!r}")

    return rule


def _or_null(rule: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """The rule of a setting that null switches off."""
    return lambda name, value: None if value is None else rule(name, value)


def _weight(name: str, value: object) -> None:
    if value is None:
        return
    numbers: list[Any] = list(value) if is_sequence(value) else []
    if not numbers or not all(_is_number(w) and w >= 0 for w in numbers) or sum(numbers) <= 0:
        raise ValueError(
            f"{name} must be null or a list with one number >= 0 for each class and a positive sum, got {value!r}"
        )


def _class_counts(name: str, value: object) -> None:
    if value is None:
        return
    numbers: list[Any] = list(value) if is_sequence(value) else []
    if not numbers or not all(_is_number(n) and n > 0 for n in numbers):
        raise ValueError(
            f"{name} must be null (count the training split) or a list with one number > 0 for each class, got "
            f"{value!r}"
        )


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
        raise RegionError(
            f"beta must be within 0 and pi * (1 - alpha / 2) = {limit:.4f} for alpha = {alpha:g}, got {beta:g}: {why}"
        )


def _own(
    name: str, allowed: str, test: Callable[[float], bool], most: float = LARGEST
) -> Callable[[Mapping[str, object]], None]:
    """The rule of one loss for a name that others use too."""
    rule = _number(allowed, test, most)
    return lambda values: rule(name, values[name]) if name in values else None


def _order(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 20:
        raise ValueError(f"{name} must be a whole number within 1 and 20, got {value!r}")


def _p(name: str, value: object) -> None:
    if isinstance(value, bool) or value not in (1, 2):
        raise ValueError(f"{name} must be 1 or 2, got {value!r}")


def _centers(name: str, value: object) -> None:
    if not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def _full(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")


_RULES: dict[str, Callable[[str, object], None]] = {
    "alpha": _number("> 0", lambda value: value > 0),
    "beta": _number(most=LARGEST_TARGET),
    "q": _number(),
    "xent_weight": _number(">= 0", lambda value: value >= 0),
    "scale": _number("> 0", lambda value: value > 0),
    "exponent": _number("> 0", lambda value: value > 0),
    "label_smoothing": _number("at least 0 and below 1", lambda value: 0 <= value < 1),
    "gamma": _number(">= 0", lambda value: value >= 0),
    "gamma_end": _or_null(_number("null or >= 0", lambda value: value >= 0)),
    "gamma_negative": _number(">= 0", lambda value: value >= 0),
    "gamma_positive": _number(">= 0", lambda value: value >= 0),
    "epsilon": _number(">= -1", lambda value: value >= -1),
    "reverse_weight": _number(">= 0", lambda value: value >= 0),
    "log_zero": _number("< 0", lambda value: value < 0),
    "temperature": _number("> 0", lambda value: value > 0),
    "kappa": _number("> -0.5", lambda value: value > -0.5),
    "tau": _number(">= 0", lambda value: value >= 0),
    "class_counts": _class_counts,
    "delta": _number("> 0", lambda value: value > 0, LARGEST_TARGET),
    "smoothing": _or_null(_number("null or at least 0 and below 1", lambda value: 0 <= value < 1)),
    "target_threshold": _or_null(_number("null or at least 0 and below 1", lambda value: 0 <= value < 1)),
    "max_margin": _number(">= 0", lambda value: value >= 0),
    "defer": _number("within 0 and 1", lambda value: 0 <= value <= 1),
    "mitigation": _number(">= 0", lambda value: value >= 0),
    "compensation": _number(">= 0", lambda value: value >= 0),
    "true_weight": _number("> 0", lambda value: value > 0),
    "true_value": _number("> 0", lambda value: value > 0),
    "centers": _centers,
    "p": _p,
    "full": _full,
    "weight": _weight,
    "reduction": _reduction,
}
_RULES_OF: dict[str, dict[str, Callable[[str, object], None]]] = {
    "NCEMAE": dict.fromkeys(("active_weight", "passive_weight"), _number(">= 0", lambda value: value >= 0)),
    "JensenShannon": {"label_weight": _number("above 0 and below 1", lambda value: 0 < value < 1)},
    "TaylorCrossEntropy": {"order": _order},
    "BootstrapSoft": {"beta": _number("within 0 and 1", lambda value: 0 <= value <= 1)},
    "BootstrapHard": {"beta": _number("within 0 and 1", lambda value: 0 <= value <= 1)},
    "BiTempered": {
        "t1": _number("within 0 and 1", lambda value: 0 <= value <= 1),
        "t2": _number("within 1 and 5", lambda value: 1 <= value <= 5),
    },
    "ForwardCorrection": {"matrix": check_matrix},
    "BackwardCorrection": {"matrix": partial(check_matrix, invertible=True)},
}
"""Class -> rules of its own, for names that a user's own loss may use in another way."""
_JOINT_RULES: dict[str, Callable[[Mapping[str, object]], None]] = {
    "CosineProb": _cosine_prob,
    "ClassBalanced": _own("beta", "at least 0 and below 1", lambda value: 0 <= value < 1),
    "LDAM": _own("beta", "at least 0 and below 1", lambda value: 0 <= value < 1),
    "ConfidencePenalty": _own("beta", ">= 0", lambda value: value >= 0),
    "LogitPenalty": _own("beta", ">= 0", lambda value: value >= 0),
    "CosFace": _own("margin", ">= 0", lambda value: value >= 0),
    "ArcFace": _own("margin", "within 0 and pi / 2 (radians)", lambda value: 0 <= value <= math.pi / 2),
    "SmoothL1": _own("beta", "> 0", lambda value: value > 0, LARGEST_TARGET),
    "Asymmetric": _own("margin", "at least 0 and below 1", lambda value: 0 <= value < 1),
    "SigmoidFocal": _own("alpha", "above 0 and below 1", lambda value: 0 < value < 1),
    "MultiMargin": _own("margin", "> 0", lambda value: value > 0),
    "TripletMargin": _own("margin", "> 0", lambda value: value > 0, LARGEST_TARGET),
    "MarginRanking": _own("margin", ">= 0", lambda value: value >= 0, LARGEST_TARGET),
    "CosineEmbedding": _own("margin", "within -1 and 1", lambda value: -1 <= value <= 1),
}
