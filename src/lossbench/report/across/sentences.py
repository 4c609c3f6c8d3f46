"""What several data sets say together, in words."""

from collections.abc import Iterator

from lossbench.report.across.data_sets import DataSet
from lossbench.report.across.findings import Across, AcrossLoss
from lossbench.report.across.tables import named
from lossbench.report.formatting import counted, format_p
from lossbench.report.stats.across import fewest_that_decide
from lossbench.report.tables import words_cell

ALPHA = 0.05


def sentences(across: Across) -> Iterator[str]:
    """Say what was found, and what so few data sets cannot show."""
    for data_set in across.data_sets:
        yield from _of(data_set)
    yield from across_all(across)


def across_all(across: Across) -> Iterator[str]:
    """Say what all data sets together show, without naming what single ones found."""
    yield _found(across)
    yield _ranks(across)
    if across.left_out:
        yield f"Left out, as some data sets lack them: {', '.join(across.left_out)}."
    yield (
        "Each data set counts once, however large it is, and scores are never averaged over data sets. The tests take "
        "them for independent: data sets that share their examples are fewer than they seem."
    )


def _of(data_set: DataSet) -> Iterator[str]:
    """The losses that one data set decides."""
    found = {word: named(data_set, word) for word in ("better", "worse")}
    words = [f"{word} {', '.join(losses)}" for word, losses in found.items() if losses]
    if words:
        yield f"{words_cell(data_set.name)}: {'; '.join(words)}."


def _found(across: Across) -> str:
    N = len(across.data_sets)
    above = [_won(loss, each, N) for loss, each in across.of_loss.items() if _decided(each) and each.wins > each.losses]
    below = [_won(loss, each, N) for loss, each in across.of_loss.items() if _decided(each) and each.wins < each.losses]
    if above or below:
        words = [f"above {across.baseline}: {', '.join(above)}"] * bool(above)
        words += [f"below {across.baseline}: {', '.join(below)}"] * bool(below)
        return f"Across {N} data sets, by sign tests corrected together: {'; '.join(words)}."
    if fewest_that_decide(ALPHA) > N:
        fewest = fewest_that_decide(ALPHA)
        return f"{counted(N, 'data set')} can decide nothing across data sets: a sign test needs {fewest} at least."
    return f"Across {N} data sets no loss is shown to win or lose against {across.baseline} (sign tests, corrected)."


def _ranks(across: Across) -> str:
    return (
        f"Mean ranks that differ by more than {across.critical_difference:.1f} are told apart (Nemenyi); that all are "
        f"equal has p {format_p(across.friedman_p)} (Friedman)."
    )


def _decided(each: AcrossLoss) -> bool:
    return each.p_adjusted <= ALPHA


def _won(loss: str, each: AcrossLoss, N: int) -> str:
    return f"{loss} ({each.wins} of {N}, p {format_p(each.p_adjusted)})"
