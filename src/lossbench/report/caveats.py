"""What a careful reader should know before believing an answer."""

import json
from collections.abc import Mapping, Sequence

from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.measures import Measures
from lossbench.report.records import Record
from lossbench.report.sentences import amount
from lossbench.report.stats.verdict import least_seeds, reachable

MADE_WITH = {
    "versions": "versions of Python, torch or other packages",
    "device": "kinds of device",
    "engine": "engines",
}

NO_BASELINE = (
    "There is no baseline among these runs: run the same seeds with loss=cross_entropy (regression: mse) in the same study, then "
    "lossbench report on the study's folder; or name another baseline."
)
RAW = ("nll", "brier", "ece", "true_class_probability")


def caveats(answer: Answer, measures: Mapping[str, Measures], missing: Sequence[Record]) -> list[str]:
    """What a careful reader should know before believing the answer; only what applies.

    Args:
        answer: the answer.
        measures: label -> measures.
        missing: runs of the same study that have no result.
    """
    runs = [run for arm in answer.arms for run in arm.runs.values()]
    return [
        *_about_metric(answer),
        *_about_seeds(answer),
        *_about_looks(answer),
        *_about_test_set(answer, measures, runs),
        *_about_tuning(answer, runs),
        *_about_runs(runs, missing),
    ]


def _about_metric(answer: Answer) -> list[str]:
    said, metric = [], answer.metric
    if answer.instead:
        said.append(
            f"The runs monitor their own losses, another formula in each, so {metric} is compared instead of {answer.instead}."
        )
    if metric.rpartition("/")[2] in RAW and len({arm.loss for arm in answer.arms}) > 1:
        said.append(
            f"{metric} takes outputs for logits, which those of the cosine losses are not: nll_scaled and ece_scaled are fair to all."
        )
    if metric.startswith("val/"):
        said.append(
            "Weights, settings and scales were chosen on the validation examples compared here: a metric of test is fair."
        )
    return said


def _about_seeds(answer: Answer) -> list[str]:
    said = []
    if answer.frozen:
        said.append(
            "Every seed gave the same run: nothing here depends on the seed, so one of them is shown and nothing can be tested."
        )
    if answer.baseline is None:
        return [*said, NO_BASELINE]
    lost: dict[tuple[int, ...], list[Arm]] = {}
    for arm in answer.others:
        seeds = tuple(sorted({*arm.runs} ^ {*answer.baseline.runs}))
        if seeds and answer.common[arm.label]:  # without any in common it is not compared, and the answer says so
            lost.setdefault(seeds, []).append(arm)
    for seeds, arms in lost.items():
        others = f" and {len(arms) - 1} {'other' if len(arms) == 2 else 'others'} do" if arms[1:] else " does"
        shared = sorted({len(answer.common[arm.label]) for arm in arms})
        which = f"{'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)}"
        paired = f"they are paired on the {_listed(shared)} that they share."
        said.append(f"{arms[0].label}{others} not share {which} with {answer.baseline.label}; {paired}")
    short = {comparison.n for comparison in answer.comparisons.values() if not comparison.reachable}
    if short and not answer.frozen:
        family, look = len(answer.comparisons), max(comparison.look for comparison in answer.comparisons.values())
        least = least_seeds(family, look)
        said.append(
            f"Too few seeds: with {_listed(sorted(short))} {'seed' if max(short) == 1 else 'seeds'} and {family} "
            f"{'comparison' if family == 1 else 'comparisons'} no corrected p can fall below 0.05, whatever the difference; "
            + (
                f"{least} seeds are the least."
                if reachable(least, family, look)
                else "no number of seeds is enough: compare fewer arms."
            )
        )
    for label, count in answer.failed.items():
        runs = f"{count} of {count + next(len(arm.runs) for arm in answer.arms if arm.label == label)} runs of {label} failed"
        said.append(f"{runs}: it is judged by those that did not, which flatters it.")
    if answer.copies:
        said.append(
            f"{answer.copies} {'run is' if answer.copies == 1 else 'runs are'} here twice (the same settings and seed); one of them counts."
        )
    return said


def _about_looks(answer: Answer) -> list[str]:
    said = []
    looks = max((comparison.look for comparison in answer.comparisons.values()), default=1)
    if looks > 1:
        said.append(
            f"This is look {looks} at some of these comparisons: testing again after adding seeds finds differences by chance, "
            "so p-values of later looks are multiplied (the first by 1, the second by 10, then twice as much each time)."
        )
    if answer.unrecorded:
        said.append(f"This look could not be recorded, so later ones will not be corrected for it: {answer.unrecorded}")
    return said


def _about_test_set(answer: Answer, measures: Mapping[str, Measures], runs: Sequence[Record]) -> list[str]:
    said, unit, split = [], answer.unit, answer.metric.partition("/")[0]
    widths = [found.run_half_width for found in measures.values() if found.run_half_width is not None]
    n = (runs[0].result or {})["n"][split]
    if widths and (answer.margin is None or max(widths) > answer.margin):
        said.append(
            f"The {split} set is small (n = {n:,}): other {split} examples would move a score by about ±{amount(max(widths), unit)}. More "
            f"seeds do not change that; the verdict is about this {split} set, and the paired difference moves by less (see the table)."
        )
    shaky = [
        label
        for label, found in answer.comparisons.items()
        if found.verdict in ("better", "worse") and (measures[label].difference_half_width or 0) > abs(found.mean)
    ]
    if shaky:
        one = len(shaky) == 1
        what = f"The {'difference' if one else 'differences'} of {', '.join(shaky)}"
        smaller = "it is smaller than its" if one else "they are smaller than their"
        said.append(f"{what} could turn round with other {split} examples: {smaller} ± from the {split} set.")
    repeated = max((run.result or {}).get("learnt_images", {}).get("test", 0) for run in runs)
    if repeated:
        said.append(f"{repeated} test images have the content of a training image.")
    return said


def _about_tuning(answer: Answer, runs: Sequence[Record]) -> list[str]:
    said = []
    optimisers = {(run.params.get("optimizer._target_"), run.params.get("optimizer.lr")) for run in runs}
    if len(optimisers) == 1:
        ((name, rate),) = optimisers
        said.append(
            f"One optimiser and one learning rate only ({str(name).rpartition('.')[2]}, {rate:g}): the ranking of losses depends on both."
            if isinstance(rate, int | float)
            else f"One optimiser only ({str(name).rpartition('.')[2]}): the ranking of losses depends on it."
        )
    baseline = answer.baseline
    if baseline is not None:
        same = [arm for arm in answer.arms if arm.loss == baseline.loss]
        if len(same) == 1:
            said.append(f"{baseline.label} was run with one setting only: a tuned baseline may be better.")
        elif answer.chosen:
            said.append(
                f"Of {len(same)} settings of {baseline.loss} the one with the best mean validation score is the baseline "
                f"({baseline.label}); that favours it a little."
            )
    if sum(found.verdict == "better" for found in answer.comparisons.values()) > 1:
        said.append(
            "The best of several looks better than it is: the difference in the headline is not corrected for having been picked."
        )
    confounded = sorted({key for arm in answer.arms for key in arm.settings if not key.startswith("loss.")})
    if confounded:
        said.append(f"Arms differ in more than the loss: {', '.join(confounded)}.")
    return said


def _about_runs(runs: Sequence[Record], missing: Sequence[Record]) -> list[str]:
    said, known = [], {run.named[1] for run in runs}
    if failed := [record for record in missing if record.state == "failed" and record.named[1] not in known]:
        names = ", ".join(dict.fromkeys(record.named[0] for record in failed))
        said.append(f"All runs of some settings failed, which therefore have no row here: {names}.")
    for state in ("failed", "cancelled", "preempted", "running", "planned"):
        count = sum(record.state == state for record in missing)
        if count:
            said.append(f"{count} more {'run is' if count == 1 else 'runs are'} {state} and not in this report.")
    invalid = len(
        {record.path.resolve().parent for record in missing if record.state == "invalid"}
    )  # a cell has a run for each seed
    if invalid:
        said.append(f"{invalid} {'cell is' if invalid == 1 else 'cells are'} invalid: the loss is not defined there.")
    for name, what in MADE_WITH.items():
        if len({json.dumps((run.result or {}).get(name), sort_keys=True) for run in runs}) > 1:
            said.append(f"The runs were made with different {what}.")
    commits = {str((run.result or {}).get("git", {}).get("commit")) for run in runs}
    if len(commits) > 1:
        said.append(f"The runs were made at {len(commits)} different commits of the code.")
    if any((run.result or {}).get("git", {}).get("dirty") for run in runs):
        said.append("Some runs were made with uncommitted changes in the code.")
    return said


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"{shown}, ..." if len(numbers) > 8 else shown
