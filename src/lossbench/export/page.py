"""README.md of an exported folder: the card for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from lossbench.escaping import for_markdown
from lossbench.metrics.units import unit_of

CLASSES_SHOWN = 200
SHOWN = (
    *("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1", "worst_class", "micro_f1"),
    *("mean_average_precision", "nll_scaled", "ece_scaled"),
)
"""The metrics in the table, where they were measured; card.json has all."""
NO_SCORES = "These weights are not those that the run tested, so nothing is known of how well they do."
CALLS = {
    "image": ("PHOTO.jpg ...", 'read("photo.jpg")'),
    "array": ("EXAMPLES.npy", "array"),
    "table": ("ROWS.csv", 'read("rows.csv")'),
}
WHAT = {"image": "photographs", "array": "examples", "table": "rows of a table"}
PREPARED = (
    "resized so that the shorter side has {shorter_side} pixels ({interpolation}, antialiased), the {crop} x {crop} "
    "pixels in the middle"
)


def page(card: Mapping[str, Any]) -> str:
    """Write a card as Markdown.

    Args:
        card: what card.json holds.
    """
    parts = [_lead(card), _use(card), _input(card), _scores(card), _training(card), _classes(card)]
    return "\n\n".join(parts) + "\n"


def _lead(card: Mapping[str, Any]) -> str:
    what = WHAT[card["input"]["kind"]]
    n, rest = len(card["classes"]), "any number of which may hold" if card["task"] == "multi_label" else "one for each"
    return (
        f"# {for_markdown(card['name'])}\n\n"
        f"A network that sorts {what} into {n} classes, {rest}. It was trained with lossbench and needs none of it to "
        "predict."
    )


def _use(card: Mapping[str, Any]) -> str:
    files, call = CALLS[card["input"]["kind"]]
    lines = [
        "## Use",
        "",
        f"    pip install {' '.join(card['needs'])}",
        f"    python predict.py {files}",
        "",
        f"or, from Python in this folder, `from predict import probabilities, read` and `probabilities({call})`.",
    ]
    if card["format"] == "torch":
        lines += [
            "",
            f"`{card['file']}` is a program of torch.export, written by torch {card['made_with']['torch']}; older "
            "versions may not read it. It runs on the CPU; "
            '`torch.export.passes.move_to_device_pass(program, "cuda")` moves a loaded program to a GPU.',
        ]
    if card["format"] == "safetensors":
        lines += [
            "",
            "`model.safetensors` holds the weights by name, `network.py` what is computed with them.",
        ]
    return "\n".join(lines)


def _input(card: Mapping[str, Any]) -> str:
    how = card["input"]
    shape = f"{how['dtype']} ({', '.join(map(str, how['shape']))})"
    if how["kind"] == "table":
        names = ", ".join(for_markdown(str(column["name"])) for column in how["columns"])
        text = (
            f"A CSV file with the columns {names}; others are not looked at. `read` in predict.py turns its rows into "
            f"{shape}: numbers are standardised, categories one-hot, as the training rows were."
        )
    elif how["kind"] != "image":
        text = f"{shape}, as the data set had them when the network was trained."
    else:
        inside = "by `prepare` in predict.py" if card["format"] == "safetensors" else "inside the network's file"
        text = (
            f"Images of any size as {shape}, RGB and upright. They are {PREPARED.format(**how)} are kept and "
            f"normalised: {inside}, so that nothing is left to do."
        )
    return f"## Input and output\n\n{text} Out come {card['output']}."


def _scores(card: Mapping[str, Any]) -> str:
    lines = ["## How well it does", ""]
    if not card["metrics"]:
        return "\n".join([*lines, NO_SCORES])
    n = next(iter(card["metrics"].values()))["n"]
    lines += [f"On {n:,} test examples that were not trained on; ± is the half-width of the 95 % interval.", ""]
    lines += ["| metric | value |", "| --- | --- |", *_metric_rows(card["metrics"]), ""]
    lines += ["On data of another origin it may do worse."]
    return "\n".join([*lines, *_verdict_lines(card["verdicts"])])


def _metric_rows(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in (name for name in SHOWN if name in metrics):
        found = metrics[name]
        unit, width = unit_of(name), found["half_width_95"]
        value = f"{found['value'] * unit.factor:.{unit.digits}f}"
        interval = "" if width is None else f" ± {width * unit.factor:.{unit.digits}f}"
        yield f"| {for_markdown(name)} | {value}{interval} {unit.name}".rstrip() + " |"


def _verdict_lines(verdicts: list[dict[str, Any]]) -> Iterator[str]:
    """One sentence for each report of the study."""
    for found in verdicts:
        unit = unit_of(found["metric"])
        against = "" if "against" not in found else f" against {for_markdown(found['against'])}"
        numbers = ""
        if "mean" in found:
            mean, low, high = (f"{found[name] * unit.factor:+.{unit.digits}f}" for name in ("mean", "low", "high"))
            numbers = f": {mean} {unit.difference} (95 % interval {low} to {high})".replace("  ", " ")
        yield ""
        yield (
            f"Verdict of the report {for_markdown(found['report'])} on the loss {for_markdown(found['loss'])}, by "
            f"{for_markdown(found['metric'])}: {found['verdict']}{against}{numbers}."
        )


def _training(card: Mapping[str, Any]) -> str:
    data, training = card["data"], card["training"]
    counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in data["train_counts"].items())
    lines = [
        "## Where it comes from",
        "",
        f"- data: {for_markdown(data['name'])}, fingerprint {data['fingerprint']}; {counts}",
        *(f"- not used: {for_markdown(clause)}" for clause in data["left_out"]),
        f"- training: {training['epochs']} epochs, seed {training['seed']}, the {training['checkpoint']} checkpoint",
        f"- settings: {for_markdown(' '.join(f'{name}={value}' for name, value in training['settings'].items()))}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in card['versions'].items())}",
    ]
    if card["pretrained"]:
        found = card["pretrained"]
        licence = found["licence"] or "not known here: ask whoever published them"
        lines.append(
            f"- it started from pretrained weights ({for_markdown(str(found['network']))}, SHA-256 {found['sha256']}), "
            f"whose licence is {for_markdown(licence)}"
        )
    return "\n".join(lines)


def _classes(card: Mapping[str, Any]) -> str:
    names = card["classes"]
    shown = ", ".join(for_markdown(name) for name in names[:CLASSES_SHOWN])
    rest = f" and {len(names) - CLASSES_SHOWN:,} more, in card.json" if len(names) > CLASSES_SHOWN else ""
    return f"## Classes\n\n{shown}{rest}"
