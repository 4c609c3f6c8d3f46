"""What hyper-parameters are refused, and with which line."""

import math
import subprocess
import sys

import pytest

from lossbench import losses
from lossbench.config.rules import check_loss


@pytest.mark.parametrize(
    ("class_name", "values", "message"),
    [
        ("CosineProb", {"alpha": -1}, "alpha must be > 0, got -1"),
        ("CosineProb", {"alpha": 0.0}, "alpha must be > 0, got 0.0"),
        ("CosineProb", {"alpha": "0.9"}, "alpha must be > 0, got '0.9'"),
        ("CosineProb", {"alpha": True}, "alpha must be > 0, got True"),
        ("CosineProb", {"beta": math.nan}, "beta must be a finite number, got nan"),
        ("Power", {"q": math.inf}, "q must be a finite number, got inf"),
        ("Power", {"q": None}, "q must be a finite number, got None"),
        ("CosineXent", {"xent_weight": -0.1}, "xent_weight must be >= 0, got -0.1"),
        ("CosineXent", {"scale": 0}, "scale must be > 0, got 0"),
        ("InverseTuned", {"exponent": 0}, "exponent must be > 0, got 0"),
        ("CrossEntropy", {"label_smoothing": 1.0}, "label_smoothing must be at least 0 and below 1, got 1.0"),
        ("Focal", {"gamma": -0.5}, "gamma must be >= 0, got -0.5"),
        ("Poly1", {"epsilon": -1.5}, "epsilon must be >= -1, got -1.5"),
        ("SymmetricCrossEntropy", {"reverse_weight": -1}, "reverse_weight must be >= 0, got -1"),
        ("SymmetricCrossEntropy", {"log_zero": 0}, "log_zero must be < 0, got 0"),
        ("NormalizedSoftmax", {"temperature": 0}, "temperature must be > 0, got 0"),
        ("CosFace", {"margin": -0.1}, "margin must be >= 0, got -0.1"),
        ("ArcFace", {"margin": 1.6}, "margin must be within 0 and pi / 2 (radians), got 1.6"),
        ("TvMF", {"kappa": -0.5}, "kappa must be > -0.5, got -0.5"),
        ("LogitAdjusted", {"tau": -1}, "tau must be >= 0, got -1"),
        ("NCEMAE", {"passive_weight": -1}, "passive_weight must be >= 0, got -1"),
        ("JensenShannon", {"label_weight": 1}, "label_weight must be above 0 and below 1, got 1"),
        ("TaylorCrossEntropy", {"order": 2.0}, "order must be a whole number within 1 and 20, got 2.0"),
        ("BootstrapHard", {"beta": 1.2}, "beta must be within 0 and 1, got 1.2"),
        ("BiTempered", {"t1": 1.2}, "t1 must be within 0 and 1, got 1.2"),
        ("BiTempered", {"t2": 0.8}, "t2 must be within 1 and 5, got 0.8"),
        (
            "ForwardCorrection",
            {"matrix": [[0.5, 0.5]]},
            "matrix must be null, a matrix with a row for each true class and a column for each given label, each row "
            "a list of rates, or a .csv or .npy file with it, got [[0.5, 0.5]]",
        ),
        ("ForwardCorrection", {"matrix": [[1.2, -0.2], [0, 1]]}, "matrix must hold rates within 0 and 1, got 1.2"),
        (
            "BackwardCorrection",
            {"matrix": [[1, 0], [0.4, 0.5]]},
            "each row of matrix must add up to 1, and row 1 adds up to 0.9",
        ),
        (
            "LogitAdjusted",
            {"class_counts": [3, 0]},
            "class_counts must be null (count the training split) or a list with one number > 0 for each class, got "
            "[3, 0]",
        ),
        (
            "CrossEntropy",
            {"reduction": "men"},
            "reduction must be one of none, mean, sum, got 'men'; did you mean mean?",
        ),
        ("CrossEntropy", {"reduction": 3}, "reduction must be one of none, mean, sum, got 3"),
        (
            "CosineProb",
            {"alpha": 0.9, "beta": 2},
            "beta must be within 0 and pi * (1 - alpha / 2) = 1.7279 for alpha = 0.9, got 2: outside alpha > 0, 0 "
            "<= beta <= pi * (1 - alpha / 2) the loss has its minimum inside (0, 1) and is negative",
        ),
        (
            "CosineProb",
            {"alpha": 2.5, "beta": 0},
            "alpha must be > 0 and at most 2, got 2.5: outside alpha > 0, 0 <= beta <= pi * (1 - alpha / 2) "
            "the loss has its minimum inside (0, 1) and is negative",
        ),
    ],
)
def test_refused_with_one_line(class_name: str, values: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the whole message is compared
        check_loss(class_name, values)
    assert str(caught.value) == message


@pytest.mark.parametrize("weight", [[], [0, 0], [1, -1], [1, math.nan], [1, True], "12", 1.0])
def test_weight_is_refused(weight: object) -> None:
    with pytest.raises(ValueError, match="weight must be null or a list with one number >= 0") as caught:
        check_loss("CrossEntropy", {"weight": weight})
    assert repr(weight) in str(caught.value)


@pytest.mark.parametrize(
    ("class_name", "values"),
    [
        ("CosineProb", {"alpha": 2, "beta": 0}),
        ("CosineProb", {"alpha": 1.3, "beta": math.pi * (1 - 1.3 / 2)}),
        ("CosineProb", {"alpha": 0.9}),
        ("Power", {"q": 0}),
        ("Power", {"q": -3.5}),
        ("CrossEntropy", {"weight": None, "label_smoothing": 0, "reduction": "sum"}),
        ("CrossEntropy", {"weight": (0, 1.5)}),
        ("CosineXent", {"xent_weight": 0, "scale": 11.5}),
        ("Poly1", {"epsilon": -1}),
        ("CosFace", {"margin": 0, "scale": 1}),
        ("LogitAdjusted", {"class_counts": [0.5, 3], "tau": 0}),
        ("Unknown", {"something": "else"}),
    ],
)
def test_accepted(class_name: str, values: dict) -> None:
    check_loss(class_name, values)


@pytest.mark.parametrize(("alpha", "beta"), [(2, 1), (1.9, 1), (0.9, 2), (0.9, -0.1)])
def test_modules_ask_the_same_rules(alpha: float, beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be within 0"):
        losses.CosineProb(alpha, beta)
    with pytest.raises(ValueError, match="did you mean none"):
        losses.Cosine(reduction="non")


def test_the_base_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        losses.Loss()


def test_rules_import_no_torch() -> None:
    code = "import sys, lossbench.config.rules; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
