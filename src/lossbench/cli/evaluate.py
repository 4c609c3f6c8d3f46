"""Evaluate a run's checkpoint again, on the same or on other data.

lossbench evaluate RUN_DIR [--checkpoint best] [--split test] [--json FILE] [data=NAME data.KEY=VALUE replicate=3 ...]
lossbench evaluate RUN_DIR --adjust 1    adjusts the logits for the frequencies of the classes in training

A replicate's run is measured on the split of its replicate, unless replicate= or data= says another.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossbench.cli.parser import Parser, as_path, require_data, require_new_file
from lossbench.escaping import in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import require_run

if TYPE_CHECKING:
    from lossbench.config.sections import Data
    from lossbench.data.module import DataModule
    from lossbench.trained.loaded import LoadedRun


def main(words: Sequence[str] | None = None) -> None:
    """Measure a trained model on a split and print every metric with its interval."""
    given = _parser().parse_intermixed_args(words)
    require_new_file("--json", given.json)
    require_data(given.overrides, "lossbench evaluate")
    directory = RunDirectory(given.run_dir)
    require_run(directory)
    record = directory.record
    other = _other_data(given.overrides, record["data"], given.config_dir) if given.overrides else None

    import lossbench  # torch takes seconds to import

    run = lossbench.load(given.run_dir, given.checkpoint)
    data = run.encoded(_data_module(other)) if other else None
    metrics = run.evaluate(given.split, data, adjust=given.adjust)
    n = len((data or run.parts.data).split(given.split))
    if data is not None:
        for line in _warnings(run, data, given.split):
            print(in_line(f"warning: {line}"))
    if given.adjust is not None:
        print(f"logits minus {given.adjust:g} log(share of the class in training); choose this number by --split val")
    print(f"{given.run_dir}, {given.split} split, n = {n}; ± is the half-width of the 95 % interval")
    _print_metrics(metrics)
    if given.json:
        values = {name: metric.value for name, metric in metrics.items()}
        given.json.write_text(json.dumps(values, indent=2) + "\n")


def _parser() -> Parser:
    parser = Parser("evaluate", __doc__)
    parser.add_argument("run_dir", type=as_path, metavar="RUN_DIR")
    parser.add_argument("overrides", nargs="*", help="other data, e.g. data=digits data.split_seed=1 replicate=3")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--adjust", type=float, help="subtract so many times log(share of each class in training); 1")
    parser.add_argument("--json", type=as_path, help="also write the metrics to this file")
    parser.add_argument("--config-dir", type=as_path, help="a folder of your own YAML files")
    return parser


def _other_data(overrides: Sequence[str], own: Mapping[str, Any], config_dir: Path | None) -> "Data":
    """Compose the data that the overrides name; settings alone change those of the run's own data set."""
    from lossbench.config.composition import composed_data
    from lossbench.config.facts import build_source, fingerprint_of
    from lossbench.config.preprocessing import seen_in

    if not any(word.startswith("data=") for word in overrides):
        overrides = [*_own_data(own), *(re.sub(r"^[+](?=data)", "++", word) for word in overrides)]
    data = composed_data(overrides, config_dir, seen_in(own))
    fingerprint_of(build_source(data.source), data.name)  # what is wrong is said before torch is imported
    return data


def _own_data(own: Mapping[str, Any]) -> list[str]:
    """What one would type for the data that a run was trained on, of the same replicate."""
    from lossbench.config.composition import written
    from lossbench.config.custom import SOURCE, is_custom
    from lossbench.config.schema import REPLICATE

    chosen = ["data=custom", f"data.target={own['_target_']}"] if is_custom(own) else [f"data={own['name']}"]
    settings = {key: value for key, value in own.items() if key not in ("_target_", "name", SOURCE, REPLICATE)}
    replicate = f"replicate={written(own.get(REPLICATE))}"
    return [*chosen, *(f"++data.{key}={written(value)}" for key, value in settings.items()), replicate]


def _data_module(data: "Data") -> "DataModule":
    from lossbench.config.facts import build_source
    from lossbench.data.module import DataModule

    return DataModule(build_source(data.source), seed=0, batch_size=data.batch_size)


def _warnings(run: "LoadedRun", data: "DataModule", split: str) -> Iterator[str]:
    """What makes a score on other data mean less: examples that the run was trained on, classes of other names."""
    from lossbench.trained.overlap import count_trained_on

    if seen := count_trained_on(run, data, split):
        n = len(data.split(split))
        yield f"the run was trained on {seen} of these {n} examples; its score on them says nothing about new data"
    ours, theirs = tuple(run.parts.source.class_names), tuple(data.source.class_names)
    if ours != theirs:
        other = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), (len(ours), len(theirs)))
        yield f"the classes have other names or another order, and count as the same: {other[0]} and {other[1]}"


def _print_metrics(metrics: Mapping[str, Any]) -> None:
    for name, metric in metrics.items():
        interval = "" if metric.half_width is None else f" ± {metric.half_width:.3g}"
        print(f"  {name:24}{metric.value:12.5g}{interval}")
