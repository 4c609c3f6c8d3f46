"""Tuned studies as the tuned sweeper leaves them, without training: a test gives how each loss responds to its rate."""

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from made_runs import hash_of, make_run, params_of, right_of

from lossbench.report.tuned.comparison import FairFight, find_fair_fight
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import TWIN, Plan, Row
from lossbench.tuning.spaces import Space
from lossbench.tuning.study import Tuned, plan_path, read_one, winners_folder
from lossbench.tuning.winners import RowWinners, Trial, Winners, best_after, edges_of, file_name

RATE = Dimension("optimizer.lr", 1e-4, 1.0, "log", "made")
DEFAULT = 0.003
Response = Callable[[float, int], float | None]
"""Learning rate and replicate -> accuracy; None where training diverges."""


def peak(best: float = 0.9, at: float = 0.03, width: float = 1.0, noise: float = 0.005) -> Response:
    """Accuracy that falls with the square of the distance from the best rate, in powers of ten."""

    def response(rate: float, replicate: int) -> float:
        chance = np.random.default_rng([replicate, int(rate * 1e9)])
        far = math.log10(rate / at) / width
        return round(min(1.0, max(0.1, best - 0.1 * far**2 + noise * float(chance.standard_normal()))), 2)

    return response


def make_tuned(
    runs: Path,
    losses: Mapping[str, Response],
    *,
    trials: int = 8,
    replicates: Sequence[int] = range(6),
    twin: Response | None = None,
    space: Space | None = None,
    refit: Callable[[Path], None] | None = None,
    **plan: Any,
) -> Tuned:
    """Write the plan, the winners and the refits of a study called made.

    Args:
        runs: folder of the studies.
        losses: loss -> response; cross_entropy is the baseline.
        trials: of each loss in each replicate.
        replicates: their numbers.
        twin: response of the baseline's twin; None is that of the baseline.
        space: what is searched; None is the learning rate.
        refit: done to each directory of a refit once it is written.
        plan: further parts of the plan.
    """
    study, space = runs / "made.tuned", space or Space((RATE,))
    rows = [Row(loss, loss, (f"loss={loss}",), space, _default(space), "", _digest(loss)) for loss in losses]
    rows.append(Row("cross_entropy (twin)", "cross_entropy", (), space, _default(space), TWIN, _digest(TWIN)))
    responses = {**losses, rows[-1].name: twin or losses["cross_entropy"]}
    made = Plan(**{
        "rows": tuple(rows), "baseline": "cross_entropy", "metric": "test/accuracy", "monitor": "val/accuracy",
        "margin": 0.01, "trials": trials, "steps": 480, "shared": {}, "data": "digits", "model": "mlp",
        "replicates": tuple(replicates), **plan,
    })  # fmt: skip
    folder = study / "plans" / made.folder
    made.write(plan_path(folder))
    for replicate in replicates:
        found = {row.name: _row(row, responses[row.name], replicate, trials) for row in rows}
        Winners(made.hash, replicate, found).write(winners_folder(folder) / file_name(replicate))
        for row in rows:
            _refit(study, row, found[row.name], responses[row.name], replicate, refit)
    return read_one(folder)


def _default(space: Space) -> dict[str, float]:
    """The rate's default, and the middle of each other range."""
    return {each.key: each.value(0.5, {}) for each in space.dimensions} | {"optimizer.lr": DEFAULT}


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _row(row: Row, response: Response, replicate: int, trials: int) -> RowWinners:
    """Search: the default, then points spread over the range, moved by the replicate and the scramble."""
    shift = np.random.default_rng([replicate, len(row.scramble)]).random()
    places = [(k / (trials - 1) + shift) % 1 for k in range(trials - 1)]
    settings = [dict(row.default), *(row.space.settings([place] * len(row.space.dimensions)) for place in places)]
    scores = [response(each["optimizer.lr"], replicate) for each in settings]
    after = best_after(scores, [None] * trials, higher_is_better=True)
    winner = settings[after[trials] - 1]
    return RowWinners(
        tuple(
            _trial(k, each, score, f"trial{k}-{row.name}/replicate{replicate}")
            for k, (each, score) in enumerate(zip(settings, scores, strict=True), 1)
        ),
        after,
        edges_of(row.space, winner),
        {number: _folder(row, settings[number - 1]) for number in sorted({*after.values()})},
    )


def _trial(number: int, settings: Mapping[str, float], score: float | None, run: str) -> Trial:
    return Trial(number, settings, score, None, "done" if score is not None else "diverged", run, 480, 0.5)


def _right(accuracy: float, replicate: int) -> list[bool]:
    """Which examples are right, in an order of the replicate, the same for all losses."""
    order = np.random.default_rng(replicate).permutation(100)
    return [bool(right) for right in np.array(right_of(accuracy))[order]]


def _folder(row: Row, settings: Mapping[str, float]) -> str:
    digest = hash_of(params_of(row.loss, 0, "made.tuned", {**settings, "scramble": row.scramble}))
    return f"digits-mlp-{row.loss}-{digest[:8]}"


def _refit(
    study: Path, row: Row, found: RowWinners, response: Response, replicate: int, then: Callable[[Path], None] | None
) -> None:
    for number, folder in found.refits.items():
        settings = found.trials[number - 1].settings
        if (study / folder / f"replicate{replicate}").exists():
            continue
        accuracy = response(settings["optimizer.lr"], replicate + 1000)
        path = make_run(
            study,
            row.loss,
            replicate,
            accuracy=accuracy or 0.1,
            settings=settings,
            state="failed" if accuracy is None else "done",
            status={"cause": "diverged"} if accuracy is None else None,
            right=None if accuracy is None else _right(accuracy, replicate),
            folder=folder,
            kind="replicate",
            result={"n": {"val": 100, "test": 100}, "train_counts": {"examples": 400}},
        )
        if then is not None:
            then(path)


def fight_of(runs: Path, losses: Mapping[str, Response], **more: Any) -> FairFight:
    """Make a study and compare its losses."""
    return find_fair_fight(make_tuned(runs, losses, **more))
