"""Caveats about the metric, and about the examples that it was measured on."""

from collections.abc import Iterator

from lossbench.errors import some
from lossbench.report.findings import Findings
from lossbench.report.formatting import format_difference
from lossbench.report.same_for_all import has_logits
from lossbench.rundir.result import Result

RAW = ("nll", "brier", "ece", "true_class_probability")  # metrics of the softmax of unscaled outputs


def about_metric(findings: Findings) -> Iterator[str]:
    """A metric that was replaced, that is unfair to some losses, or that was measured on the validation examples."""
    comparison, metric = findings.comparison, findings.comparison.metric
    if comparison.instead:
        yield (
            f"The runs monitor their own losses, another formula in each, so {metric} is compared "
            f"instead of {comparison.instead}."
        )
    if metric.rpartition("/")[2] in RAW and len({arm.loss for arm in comparison.arms}) > 1:
        yield (
            f"{metric} takes outputs for logits, which those of the cosine losses are not: "
            "nll_scaled and ece_scaled are fair to all."
        )
    if comparison.split == "val":
        yield (
            "Weights, settings and scales were chosen on the validation examples compared here: "
            "a metric of test is fair."
        )


def about_scale(findings: Findings) -> Iterator[str]:
    """Arms of logits whose probabilities were better calibrated on the test set before the scale was fitted.

    The mean has to rise above the interval of the raw one: less than that is the luck of the runs.
    """
    worse: list[str] = []
    for arm in filter(has_logits, findings.comparison.arms):
        found = findings.measures[arm.label].calibration
        raw, scaled = (found.get(f"test/{name}") for name in ("ece", "ece_scaled"))
        if raw and scaled and scaled.mean > (raw.high if raw.n > 1 else raw.mean):
            worse.append(f"{arm.label} ({100 * raw.mean:.1f} to {100 * scaled.mean:.1f} %)")
    if worse:
        examples, better = _fitted_on(findings.comparison.runs[0].done_result)
        yield (
            f"The scale fitted on {examples} raised the calibration error on test of {some(worse)}: "
            f"use their raw probabilities, or {better}."
        )


def _fitted_on(result: Result) -> tuple[str, str]:
    """The validation examples in words, and what would be better ones."""
    n, noise = f"{result.n['val']:,} validation examples", result.facts.get("changes", {}).get("label_noise")
    if noise and noise["splits"]["val"]["wrong"]:
        return f"{n}, of which labels are wrong too,", "right labels there (data.noise_validation=false)"
    return n, "a larger validation set"


def about_test_set(findings: Findings) -> Iterator[str]:
    """Data left out, intervals that do not cover other examples, test examples that were trained on."""
    yield from _left_out(findings)
    yield from _without_examples(findings)
    for unit in ("image", "row"):
        known = (run.done_result.facts.get(f"learnt_{unit}s", {}) for run in findings.comparison.runs)
        if repeated := max(counts.get("test", 0) for counts in known):
            yield f"{repeated} test {unit}s have the content of a training {unit}."


def _left_out(findings: Findings) -> Iterator[str]:
    """What of the data the runs did not use, and classes that a split lacks."""
    said = {tuple(run.done_result.facts.get("left_out", ())) for run in findings.comparison.runs}
    for clauses in sorted(said - {()}):
        yield f"Data: {'; '.join(clauses)}."


def _without_examples(findings: Findings) -> Iterator[str]:
    """Why the intervals are about these examples alone, and by how much others would move a score."""
    comparison, split = findings.comparison, findings.comparison.split
    if comparison.without_examples is None or not comparison.paired:
        return
    if comparison.design == "folds":
        what = f"Intervals are those of Nadeau and Bengio, wider than need be: {comparison.without_examples}."
    else:
        what = f"Intervals do not cover other {split} examples: {comparison.without_examples}."
    widths = [width for found in findings.measures.values() if (width := found.run_half_width) is not None]
    moved = ""
    if widths and comparison.design != "folds":
        n, width = comparison.runs[0].done_result.n[split], format_difference(max(widths), comparison.unit)
        moved = f" With n = {n:,} of them, others would move a score by about ±{width}, a difference by less."
    yield f"{what}{moved}"
