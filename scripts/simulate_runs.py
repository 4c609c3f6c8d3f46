"""Make a study of many finished run directories: a few are trained, the others are copies of them under other seeds.

python scripts/simulate_runs.py FOLDER 100000 [--arms 100]

The copies are what train.py would find again: config.yaml and result.json have their own seed, what is equal to the
trained run (metrics.csv, predictions.npz, status.json, train.log) is a hard link. FOLDER becomes the study's folder.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

MOST_LINKS = 60_000
TRAINED = 5  # seeds of each setting that are trained
WORDS = (
    "hydra/launcher=vectorized", "data=digits", "trainer.max_epochs=10", "keep_checkpoints=none", "logger=none",
    "trainer=cpu",
)  # fmt: skip
# Each with as many learning rates as there are to be settings.
LOSSES = ("cross_entropy", "focal", "poly1", "generalized_cross_entropy", "label_smoothing")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the study; it must not exist")
    parser.add_argument("runs", type=int)
    parser.add_argument("--arms", type=int, default=100, help="settings, each with runs / arms seeds")
    given = parser.parse_args()
    print(f"{simulate(given.folder, given.runs, given.arms)} run directories in {given.folder}")


def simulate(folder: Path, runs: int, arms: int) -> int:
    """Make a study.

    Args:
        folder: of the study; it must not exist.
        runs: how many directories.
        arms: settings; each gets runs / arms seeds.

    Returns:
        How many directories there are.
    """
    train(folder, sweep_words(arms, TRAINED))
    seeds = range(TRAINED, -(-runs // arms))
    settings = sorted(each.parent for each in folder.glob("*/seed0"))
    for setting in settings:
        for seed in seeds:
            copy_run(setting / f"seed{seed % TRAINED}", setting / f"seed{seed}")
    return len(settings) * (TRAINED + len(seeds))


def sweep_words(arms: int, seeds: int) -> list[str]:
    """The sweep whose runs these are: losses, each with as many learning rates as there are to be arms."""
    rates = ",".join(str(round(0.001 * (1 + k / 10), 6)) for k in range(-(-arms // len(LOSSES))))
    return [f"loss={','.join(LOSSES)}", f"optimizer.lr={rates}", f"seed=range({seeds})", *WORDS]


def train(folder: Path, words: list[str]) -> None:
    """Train a sweep into the folder of a study."""
    places = [f"runs_dir={folder.parent}", f"study={folder.name}"]
    command = [sys.executable, str(Path(__file__).parents[1] / "train.py"), "-m", *words, *places]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def copy_run(run: Path, place: Path) -> None:
    """Copy a run directory under another seed; files that do not name the seed are hard links."""
    seed, new = run.name.removeprefix("seed"), place.name.removeprefix("seed")
    os.mkdir(place)
    for entry in os.scandir(run):
        if entry.name == "config.yaml":
            text = (run / entry.name).read_text().replace(f"\nseed: {seed}\n", f"\nseed: {new}\n")
            (place / entry.name).write_text(text)
        elif entry.name == "result.json":
            text = (run / entry.name).read_text().replace(f'"seed": {seed},', f'"seed": {new},')
            (place / entry.name).write_text(text)
        elif entry.is_file():
            link(entry, place / entry.name)


def link(entry: os.DirEntry[str], place: Path) -> None:
    """Make a hard link, or a copy where the file has as many links as file systems allow: ext4 65,000."""
    if entry.stat().st_nlink < MOST_LINKS:
        os.link(entry.path, place)
    else:
        shutil.copyfile(entry.path, place)


if __name__ == "__main__":
    main()
