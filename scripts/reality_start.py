"""The table of the reality check: if your data are like this, start with that, and expect so much."""

from collections import Counter
from collections.abc import Mapping, Sequence

from reality_studies import INDEPENDENT

from lossbench.metrics.units import unit_of
from lossbench.report.across.data_sets import DataSet
from lossbench.report.across.tables import named
from lossbench.report.formatting import counted, format_difference
from lossbench.report.tables import EMPTY, Table

KINDS: Sequence[tuple[str, Sequence[str], Sequence[str]]] = (
    ("Labels as they came, classes about even", INDEPENDENT, ["cross_entropy"]),
    (
        "41 % of the labels wrong, as people get them wrong",
        ["cifar_worse"],
        ["symmetric_cross_entropy", "nce_mae", "power"],
    ),
    ("A long tail, 1 to 100, where every class counts alike", ["cifar_lt100"], ["logit_adjusted"]),
    ("A long tail, 1 to 10", ["cifar_lt10"], ["logit_adjusted"]),
    ("5 images of each of 200 classes", ["tiny_5"], ["cross_entropy"]),
    ("10 images of each of 200 classes", ["tiny_10"], ["squentropy", "cosine_xent"]),
    ("50 images of each of 200 classes", ["tiny_50"], ["squentropy"]),
)
"""What data are like, the studies of it, and what to start with there: the baseline where nothing is better than it."""


def start_table(studies: Mapping[str, DataSet]) -> Table:
    """Make the table; a kind of data without a study has no row.

    Raises:
        ValueError: the records contradict a recommendation.
    """
    rows: list[list[str]] = []
    for kind, names, start in KINDS:
        found = [studies[name] for name in names if name in studies]
        if found:
            _check(kind, found, start)
            rows.append([kind, ", ".join(start), _expect(found, start), _worse(found), _open(found)])
    return Table("start", "", ["your data", "start with", "expect", "not", "undecided"], rows)


def _check(kind: str, studies: Sequence[DataSet], start: Sequence[str]) -> None:
    """A recommended loss is better than the baseline, or is the baseline and none is better."""
    for study in studies:
        better = {loss for loss, each in study.losses.items() if each.word == "better" and not each.slightly}
        if not (better.issuperset(start) if study.baseline not in start else not better):
            raise ValueError(f"{kind}: {study.name} says that {sorted(better)} are better, and {start} is recommended")


def _expect(studies: Sequence[DataSet], start: Sequence[str]) -> str:
    words = Counter(each.word for study in studies for each in study.losses.values() if each.word != "baseline")
    if studies[0].baseline in start:
        counts = ", ".join(f"{words[word]} {word}" for word in ("better", "worse", "equivalent", "undecided"))
        slightly = "; ".join(text for study in studies for text in named(study, "better"))
        found = f"{counted(len(studies), 'data set')}, {words.total()} comparisons: {counts}"
        return f"{found}; {slightly}" if slightly else found
    (study,) = studies
    return "; ".join(_gain(study, loss) for loss in start) + _others(study, start)


def _gain(study: DataSet, loss: str) -> str:
    """ "power +2.65 (+1.33 to +3.97)"."""
    each, unit = study.losses[loss], unit_of(study.metric)
    mean, low, high = (
        format_difference(value, unit, signed=True, with_unit=False) for value in (each.difference, each.low, each.high)
    )
    return f"{loss} {mean} ({low} to {high})"


def _others(study: DataSet, start: Sequence[str]) -> str:
    others = [text for text in named(study, "better") if text.split()[0] not in start]
    return f"; better too: {', '.join(others)}" if others else ""


def _worse(studies: Sequence[DataSet]) -> str:
    several = len(studies) > 1
    return (
        ", ".join(f"{text} ({study.name})" if several else text for study in studies for text in named(study, "worse"))
        or EMPTY
    )


def _open(studies: Sequence[DataSet]) -> str:
    """The losses of which nothing is known, by name where it is one study."""
    if len(studies) > 1:
        return f"{sum(len(named(study, 'undecided')) for study in studies)} of {_compared(studies)}"
    return ", ".join(named(studies[0], "undecided")) or EMPTY


def _compared(studies: Sequence[DataSet]) -> int:
    return sum(len(study.losses) - 1 for study in studies)
