"""The data, the model and the repeats of a comparison in words: what a reader has to know before the table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from lossbench.report.comparison import Comparison
from lossbench.report.formatting import counted, format_difference
from lossbench.report.page.about_runs import ranges
from lossbench.report.records import Record

EVEN = 1.2  # classes whose sizes differ by less are of about the same size
DRAWN_BY_SEED = (
    "initial weights and order of examples are drawn anew, the split is not: the verdict is about this split"
)
DRAWN_BY_REPLICATE = {
    "folds": "the split into training, validation and test examples, initial weights and order are drawn anew",
    "published": "training and validation examples, initial weights and order are drawn anew; the test set is kept",
}
WEIGHTS = {"last": "the weights of the last step", "best": "the weights that were best on the validation examples"}


def about_data(comparison: Comparison) -> dict[str, str]:
    """Say what was compared on what: heading -> sentence."""
    runs = comparison.runs
    return {
        "data": f"{_data_name(runs[0])}: {_classes(runs)}{_counts(runs)}{_balance(runs)}{_changed(runs)}",
        "model": f"{_model(runs[0].params)}{_training(runs)}",
        "repeats": _repeats(comparison),
        "question": _question(comparison),
    }


def _data_name(run: Record) -> str:
    """The name of the data set; of one's own images that of their folder too."""
    name, root = run.done_result.data, run.params.get("data.root")
    folder = PurePath(str(root)).name if root else ""
    return name if folder in ("", name) else f"{name} {folder}/"


def _classes(runs: Iterable[Record]) -> str:
    sizes = {len(run.done_result.classes) for run in runs}
    return f"{_span(sizes)} classes; " if max(sizes) > 1 else ""


def _counts(runs: Iterable[Record]) -> str:
    """The number of examples of each split; of training where the runs recorded it."""
    results = [run.done_result for run in runs]
    train = {result.facts.get("train_counts", {}).get("examples") for result in results} - {None}
    val, test = ({result.n[split] for result in results} for split in ("val", "test"))
    first = f"{_span(train)} training, " if train else ""
    return f"{first}{_span(val)} validation and {_span(test)} test examples"


def _balance(runs: Iterable[Record]) -> str:
    """How even the classes are, in the run where they are least even."""
    counts = [run.done_result.facts.get("train_counts", {}) for run in runs]
    sizes = [(each["smallest_class"], each["largest_class"]) for each in counts if "smallest_class" in each]
    if not sizes:
        return ""
    low, high = max(sizes, key=lambda size: size[1] / size[0] if size[0] else math.inf)
    if low == 0:
        return f"; the largest class has {high:,} training examples, another one none"
    if high < EVEN * low:
        return f"; classes of about the same size ({_span({n for size in sizes for n in size})} training examples)"
    return (
        f"; the largest class has {high / low:.1f} times the training examples of the smallest ({high:,} and {low:,})"
    )


def _changed(runs: Iterable[Record]) -> str:
    """What was changed in the data on purpose: training classes made uneven, labels made wrong."""
    changes: list[dict[str, Any]] = [run.done_result.facts.get("changes", {}) for run in runs]
    return _made_uneven(changes) + _made_wrong(changes)


def _made_uneven(changes: Sequence[Mapping[str, Any]]) -> str:
    made = [each["imbalance"] for each in changes if "imbalance" in each]
    kinds = " and ".join(sorted({each["kind"] for each in made}))
    factors = {each["factor"] for each in made}
    return f"; made uneven, 1 to {_span(factors)} ({kinds})" if made else ""


def _made_wrong(changes: Sequence[Mapping[str, Any]]) -> str:
    noise = [each.get("label_noise") for each in changes]
    kinds = " and ".join(sorted({each["kind"] for each in noise if each}))
    if not kinds:
        return ""
    shares = [_wrong(each["splits"] if each else {}) for each in noise]
    train, val = (_rates([share[k] for share in shares]) for k in (0, 1))
    return f"; {train} of the training labels are wrong ({kinds}), {val} of validation, none of test"


def _wrong(splits: Mapping[str, Mapping[str, int]]) -> tuple[float, float]:
    """The shares of wrong labels in training and validation, in percent."""
    train, val = (splits.get(name, {"wrong": 0, "of": 1}) for name in ("train", "val"))
    return 100 * train["wrong"] / train["of"], 100 * val["wrong"] / val["of"]


def _rates(shares: Sequence[float]) -> str:
    low, high = (f"{share:.3g}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _span(numbers: set[Any]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _model(params: Mapping[str, Any]) -> str:
    """The model; where it has a backbone, which one and its weights."""
    name = str(params.get("model.name"))
    backbone = params.get("model.backbone.name")
    if backbone:
        return f"{name} on the features of a frozen {backbone}, {_weights(params, 'model.backbone')}"
    architecture = params.get("model.architecture", name)
    return f"{name if architecture == name else f'{name} {architecture}'}, {_weights(params, 'model')}"


def _weights(params: Mapping[str, Any], node: str) -> str:
    given = params.get(f"{node}.pretrained")
    if given is True:
        return "starting from its published weights"
    if given:
        digest = params.get("weights.sha256")
        return (
            f"starting from the weights in {PurePath(str(given)).name}{f' (SHA-256 {digest[:12]})' if digest else ''}"
        )
    return "random weights" if node.endswith("backbone") else "trained from random weights"


def _training(runs: Iterable[Record]) -> str:
    """Optimiser, learning rate and length, each where all runs share it."""
    shared = [
        _shared(str(run.params.get("optimizer._target_")).rpartition(".")[2] for run in runs),
        _shared(_rate(run.params.get("optimizer.lr")) for run in runs),
        _shared(counted(run.done_result.epochs, "epoch") for run in runs),
    ]
    words = ", ".join(filter(None, shared))
    return f"; {words}" if words else ""


def _rate(rate: object) -> str:
    return f"learning rate {rate:g}" if isinstance(rate, int | float) else ""


def _shared(words: Iterable[str]) -> str:
    found = {*words}
    return found.pop() if len(found) == 1 else ""


def _repeats(comparison: Comparison) -> str:
    counts = {len(arm.runs) for arm in comparison.arms}
    units = {unit for arm in comparison.arms for unit in arm.runs}
    number = _span(counts)
    which = f"{number} {comparison.kind}{'' if number == '1' else 's'} of each loss ({ranges(units)})"
    drawn = DRAWN_BY_SEED if comparison.kind == "seed" else DRAWN_BY_REPLICATE[comparison.design]
    return f"{which}: {drawn}"


def _question(comparison: Comparison) -> str:
    n, split = {run.done_result.n[comparison.split] for run in comparison.runs}, comparison.split
    measured = f"{comparison.metric} on {_span(n)} {split} examples"
    margin = ""
    if comparison.margin is not None:
        margin = f"; differences below {format_difference(comparison.margin, comparison.unit)} do not matter"
    return ", ".join(filter(None, (measured, measured_with(comparison)))) + margin


def measured_with(comparison: Comparison) -> str:
    """Whose weights were measured, and where a fitted scale is from; empty where no run recorded it."""
    weights = WEIGHTS.get(str(comparison.runs[0].params.get("evaluate")), "")
    scale = "a scale fitted on the validation examples" if comparison.metric.endswith("_scaled") else ""
    words = " and ".join(filter(None, (weights, scale)))
    return f"with {words}" if words else ""
