"""Evaluate a run's checkpoint again, on the same or on other data.

python scripts/evaluate.py RUN_DIR [--checkpoint best] [--split test] [--json FILE] [data=digits data.split_seed=1 ...]
"""

import argparse
import json
from pathlib import Path
from typing import Any

from lossbench.errors import UserError, exit_on_user_error

CONF = Path(__file__).resolve().parents[1] / "conf"


def other_data(overrides: list[str], own: str) -> Any:
    """Compose the data that the overrides name; settings alone are those of the run's own data set."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from lossbench.config.facts import build_source
    from lossbench.config.schema import Data
    from lossbench.data.module import DataModule

    if not any(word.startswith("data=") for word in overrides):
        overrides = [f"data={own}", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = OmegaConf.to_container(compose("train", overrides=overrides)["data"], resolve=True)
    data = Data.read("data", composed)
    return DataModule(build_source(data.source), seed=0, batch_size=data.batch_size)


def trained_on(run: Any, data: Any, split: str) -> int:
    """Count the examples of other data that were in the run's training split: the same data set, the same ids."""
    if type(data.source) is not type(run.parts.source):
        return 0
    return len({*data.split(split).ids} & {*run.parts.data.split("train").ids})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("overrides", nargs="*", help="other data, e.g. data=digits data.split_seed=1")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--json", type=Path, help="also write the metrics to this file")
    given = parser.parse_intermixed_args()
    if given.json and given.json.exists():
        raise UserError(f"--json {given.json} exists already; name a new file")
    if given.json and not given.json.absolute().parent.is_dir():
        raise UserError(f"--json {given.json}: there is no folder {given.json.absolute().parent}")

    import lossbench

    run = lossbench.load(given.run_dir, given.checkpoint)
    data = other_data(given.overrides, run.config["data"]["name"]) if given.overrides else None
    metrics = run.evaluate(given.split, data)
    n = len((data or run.parts.data).split(given.split))
    seen = trained_on(run, data, given.split) if data else 0
    if seen:
        print(
            f"warning: the run was trained on {seen} of these {n} examples; its score on them says nothing about new data"
        )
    print(f"{given.run_dir}, {given.split} split, n = {n}; ± is the half-width of the 95 % interval")
    for name, metric in metrics.items():
        print(f"  {name:24}{metric.value:12.5g}" + ("" if metric.half_width is None else f" ± {metric.half_width:.3g}"))
    if given.json:
        given.json.write_text(json.dumps({name: metric.value for name, metric in metrics.items()}, indent=2) + "\n")


if __name__ == "__main__":
    from lossbench.cli.overrides import explain

    exit_on_user_error(main, explain)
