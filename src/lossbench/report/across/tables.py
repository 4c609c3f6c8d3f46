"""The tables of several data sets: one row a data set, one row a loss."""

from collections.abc import Iterator

from lossbench.metrics.units import unit_of
from lossbench.report.across.data_sets import DataSet, LossVerdict
from lossbench.report.across.findings import Across, AcrossLoss
from lossbench.report.formatting import MARKS, format_difference, format_p, format_score
from lossbench.report.tables import EMPTY, Table, words_cell

WORDS = ("better", "worse", "equivalent", "undecided")


def data_set_table(across: Across) -> Table:
    """Make the table with one row a data set: the baseline's score, and how many losses are better, worse and so on."""
    columns = ["data set", "metric", f"{across.baseline}\nscore", *WORDS]
    rows = [_data_set_row(each) for each in across.data_sets]
    numbers = [row for each in across.data_sets for row in _numbers(each)]
    return Table("data_sets", "Losses by verdict, one row a data set", columns, rows, numbers)


def loss_table(across: Across) -> Table:
    """Make the table with one row a loss: on how many data sets it is what, and the sign test."""
    columns = ["loss", "mean rank", *WORDS, "above the\nbaseline", "p of the\nsign tests"]
    rows = [_loss_row(loss, each, across) for loss, each in across.of_loss.items()]
    numbers = [_loss_numbers(loss, each) for loss, each in across.of_loss.items()]
    title = f"Each loss against {across.baseline}, data sets by verdict"
    return Table("losses", title, columns, rows, numbers)


def named(data_set: DataSet, word: str) -> list[str]:
    """The losses with a verdict, with their differences, the largest first: "power +1.60", "focal -0.67 (slightly)"."""
    losses = {loss: each for loss, each in data_set.losses.items() if each.word == word}
    largest_first = sorted(losses.items(), key=lambda item: -abs(item[1].difference))
    return [f"{words_cell(loss)} {_difference(each, data_set)}" for loss, each in largest_first]


def _difference(found: LossVerdict, data_set: DataSet) -> str:
    difference = format_difference(found.difference, unit_of(data_set.metric), signed=True, with_unit=False)
    return f"{difference} (slightly)" if found.slightly and found.word in ("better", "worse") else difference


def _data_set_row(data_set: DataSet) -> list[str]:
    score = format_score(data_set.losses[data_set.baseline].mean, unit_of(data_set.metric))
    counts = [str(len(named(data_set, word))) for word in WORDS]
    return [words_cell(data_set.name), data_set.metric, score, *counts]


def _loss_row(loss: str, found: AcrossLoss, across: Across) -> list[str]:
    counts = [str(found.words.get(word, 0)) for word in WORDS]
    judged = [*counts, f"{found.wins} of {len(across.data_sets)}", format_p(found.p_adjusted)]
    is_baseline = loss == across.baseline
    return [words_cell(loss), f"{found.rank:.1f}", *([EMPTY] * len(judged) if is_baseline else judged)]


def _loss_numbers(loss: str, found: AcrossLoss) -> dict[str, object]:
    counts = {word: found.words.get(word, 0) for word in WORDS}
    tested = {"wins": found.wins, "losses": found.losses, "p": found.p, "p_adjusted": found.p_adjusted}
    return {"loss": loss, "mean_rank": found.rank, **counts, **tested}


def _numbers(data_set: DataSet) -> Iterator[dict[str, object]]:
    for loss, each in data_set.losses.items():
        yield {
            "data_set": data_set.name,
            "metric": data_set.metric,
            "loss": loss,
            "mean": each.mean,
            "difference": each.difference,
            "low": each.low,
            "high": each.high,
            "verdict": each.word,
            "n": each.n,
        }


def grid_cell(data_set: DataSet, loss: str) -> str:
    """A difference with the sign of its verdict: "▲ +1.60"."""
    found = data_set.losses.get(loss)
    if found is None or found.word == "baseline":
        return EMPTY
    difference = format_difference(found.difference, unit_of(data_set.metric), signed=True, with_unit=False)
    return f"{MARKS.get(found.word, '')} {difference}".strip()
