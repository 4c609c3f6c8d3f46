"""The verdicts of each data set, as reports have written them."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossbench.errors import UserError, some
from lossbench.rundir.reading import DamagedError, read_bytes

FILE = "verdict.csv"
TWIN = "(twin)"  # of the baseline, in a fair fight
WAY_OUT = "make the report again: lossbench report STUDY"


@dataclass(frozen=True)
class LossVerdict:
    """What a report found of one loss.

    Args:
        mean: of the metric, in its stored unit.
        difference: from the baseline, positive is better; 0 of the baseline itself.
        low: lower end of its simultaneous 95 % interval; NaN of the baseline.
        high: upper end.
        word: better, worse, equivalent, undecided; baseline of the baseline.
        n: replicates or seeds.
        slightly: whether it is better or worse by less than the margin.
    """

    mean: float
    difference: float
    low: float
    high: float
    word: str
    n: int
    slightly: bool = False


@dataclass(frozen=True)
class DataSet:
    """The verdicts of one data set.

    Args:
        name: of the folder of its report, or of the study.
        metric: what was compared, such as test/accuracy.
        baseline: the loss that the others were compared with.
        losses: loss -> its verdict, the baseline's among them, a twin's not.
    """

    name: str
    metric: str
    baseline: str
    losses: Mapping[str, LossVerdict]


def read_data_sets(paths: Sequence[Path]) -> list[DataSet]:
    """Read the verdicts of some studies.

    Args:
        paths: of each data set one: the verdict.csv of a report, its folder, or a study with one report.

    Raises:
        UserError: a report is missing, damaged or not the only one, or two share a name or differ in their baseline.
    """
    data_sets = [_read(path) for path in paths]
    names = [each.name for each in data_sets]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UserError(f"two data sets are called {twice[0]}; each counts once: leave one out, or rename its folder")
    baselines = list(dict.fromkeys(each.baseline for each in data_sets))
    if len(baselines) > 1:
        found = ", ".join(f"{each.baseline} ({each.name})" for each in data_sets)
        raise UserError(f"the baselines differ: {found}; make the reports again with one --baseline")
    return data_sets


def _read(path: Path) -> DataSet:
    file, name = _find(path)
    try:
        rows = [*csv.DictReader(read_bytes(file).decode().splitlines())]
        losses = {row["arm"]: _verdict(row) for row in rows if not row["arm"].endswith(TWIN)}
        (baseline,) = (row["arm"] for row in rows if row["baseline"] == "True")
        return DataSet(name, rows[0]["metric"], baseline, losses)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); {WAY_OUT}") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise DamagedError(file, "is no table of verdicts with one baseline", WAY_OUT) from error


def _find(path: Path) -> tuple[Path, str]:
    """The table of verdicts that a path means, and the name of its data set."""
    if path.is_file():
        return path, path.resolve().parent.name if path.name == FILE else path.stem
    if (path / FILE).is_file():
        return path / FILE, path.resolve().name
    tuned = path.with_name(f"{path.name}.tuned")
    study = path if path.is_dir() or not tuned.is_dir() else tuned
    found = sorted(study.glob(f"reports/*/{FILE}"))
    if len(found) == 1:
        return found[0], study.resolve().name.removesuffix(".tuned")
    if not study.exists():
        raise UserError(f"{path} does not exist; name studies, such as runs/digits")
    if not found:
        raise UserError(f"{path}: there is no report; make it with lossbench report {study}")
    folders = some(str(file.parent) for file in found)
    raise UserError(f"{path}: there are {len(found)} reports, one a data set is needed; name one: {folders}")


def _verdict(row: Mapping[str, str]) -> LossVerdict:
    if row["baseline"] == "True":
        return LossVerdict(float(row["mean"]), 0.0, math.nan, math.nan, "baseline", int(row["n"]))
    numbers = (float(row[name]) for name in ("mean", "difference_mean", "difference_low", "difference_high"))
    word, slightly = row["difference_verdict"], (row.get("difference_qualifier") or "").startswith("slightly")
    return LossVerdict(*numbers, word=word, n=int(row["difference_n"]), slightly=slightly)
