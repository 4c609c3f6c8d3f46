"""Check every image of a data set: python scripts/check_data.py data=pets data.root=PATH [--csv FILE].

Lists what cannot be read, with the reason, and what is unusual but read right; exits with 1 when an image cannot be read.
"""

import argparse
import csv
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

from lossbench.data.images.subset import printable
from lossbench.errors import UserError, exit_on_user_error

CONF = Path(__file__).resolve().parents[1] / "conf"
SHOWN = 50
"""Lines of each kind on the screen; --csv writes all."""
Row = tuple[str, str, str, str]


def build(overrides: list[str]) -> Any:
    """Compose and build the data set that the overrides name."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from lossbench.config.facts import build_source
    from lossbench.config.schema import Data
    from lossbench.data.images.source import FileSource

    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = OmegaConf.to_container(compose("train", overrides=overrides)["data"], resolve=True)
    data = Data.read("data", composed)
    source = build_source(data.source)
    if not isinstance(source, FileSource):
        raise UserError(f"data={data.name} has no image files; choose data=imagenet_subset, pets or image_folder")
    return source


def rows_of(source: Any) -> list[Row]:
    """Every image that is worth a word: split, path, what (unreadable or unusual), why."""
    rows = []
    for split, found in source.inspections.items():
        for name, reason, note in zip(
            source.listed.files[split], found.reason.tolist(), found.note.tolist(), strict=True
        ):
            if reason or note:
                rows.append((split, str(source.folder / name), "unreadable" if reason else "unusual", reason or note))
    return rows


def describe(source: Any) -> str:
    """How many images there are, and how large they are."""
    import numpy as np

    lines = [f"{source.folder}: {source.num_classes} classes"]
    for split, found in source.inspections.items():
        good = found.reason == ""
        counts = Counter(np.array(source.listed.targets[split])[good].tolist())
        sides = np.minimum(found.height, found.width)[good]
        facts = (
            (
                f"{min(counts.values())} to {max(counts.values())} a class, "
                f"shorter side {sides.min()} to {sides.max()} px (median {np.median(sides):.0f}), "
            )
            if counts
            else ""
        )
        lines.append(f"  {split:5} {good.sum():7,} images, {facts}{(~good).sum()} unreadable")
    for split, n in source.learnt().items():
        if n:
            lines.append(
                f"warning: {n} {split} images have the content of a training image; a score on them says nothing about new images"
            )
    return "\n".join(lines)


def write_csv(rows: list[Row], path: Path) -> None:
    """Write all rows to a new file."""
    from lossbench.rundir.files import write_atomic

    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("split", "path", "what", "why"), *rows])
    write_atomic(path, lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="+", help="the data set as for train.py, e.g. data=pets data.root=PATH")
    parser.add_argument("--csv", type=Path, help="also write every line to this new file")
    given = parser.parse_intermixed_args()
    if given.csv and (given.csv.exists() or not given.csv.absolute().parent.is_dir()):
        raise UserError(f"--csv {given.csv} must be a new file in a folder that exists")
    source = build(given.overrides)
    try:
        rows = rows_of(source)
    except ValueError as error:
        raise UserError(f"data.{error}") from error
    print(describe(source))
    for what in ("unusual", "unreadable"):
        mine = [row for row in rows if row[2] == what]
        for _, path, _, why in mine[:SHOWN]:
            print(f"{what}: {printable(path)}: {why}")
        if len(mine) > SHOWN:
            print(f"... and {len(mine) - SHOWN} more {what}; --csv FILE writes all")
    if given.csv:
        write_csv(rows, given.csv)
        print(given.csv)
    if bad := sum(row[2] == "unreadable" for row in rows):
        raise UserError(f"{bad} images cannot be read: repair or delete them, or train with data.on_bad_image=skip")


if __name__ == "__main__":
    from lossbench.cli.overrides import explain

    exit_on_user_error(main, explain)
