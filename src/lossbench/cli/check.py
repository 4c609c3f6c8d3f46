"""Check a data set: lossbench check data=pets data.root=PATH [replicate=3] [--classes] [--csv FILE].

Counts the examples of every class in each split, names what is left out and what is odd, and lists the image files that
cannot be read, with the reason, and what is unusual but read right; the exit code is 1 when an image cannot be read.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossbench.cli.parser import Parser, as_path, require_data
from lossbench.errors import UserError
from lossbench.escaping import csv_text, in_line

SHOWN = 50
"""Lines of each kind on the screen; --csv writes all."""


class Finding(NamedTuple):
    """An image that cannot be read, or is unusual.

    Args:
        split: train, val or test; of a replicate pool, or learn or test.
        path: of the file.
        kind: unreadable or unusual.
        reason: why.
    """

    split: str
    path: str
    kind: str
    reason: str


def main(words: Sequence[str] | None = None) -> None:
    """Read every example of a data set and print what is wrong or odd."""
    given = _parser().parse_intermixed_args(words)
    _check_new_file(given.csv)
    require_data(given.overrides, "lossbench check")
    name, source = build(given.overrides, given.config_dir)
    try:
        findings = list(findings_of(source))
        lines = [*describe(name, source), *_classes(source, whole=given.classes)]
    except ValueError as error:
        raise UserError(f"data.{error}") from error
    for line in lines:
        print(in_line(line))
    for kind in ("unusual", "unreadable"):
        _print_findings([finding for finding in findings if finding.kind == kind], kind)
    if given.csv:
        write_csv(findings, given.csv)
        print(given.csv)
    if bad := sum(finding.kind == "unreadable" for finding in findings):
        raise UserError(f"{bad} images cannot be read: repair or delete them, or train with data.on_bad_image=skip")


def _parser() -> Parser:
    parser = Parser("check", __doc__)
    parser.add_argument("overrides", nargs="+", help="the data set as for a run, e.g. data=pets data.root=PATH")
    parser.add_argument("--classes", action="store_true", help=f"print all classes where there are more than {SHOWN}")
    parser.add_argument("--csv", type=as_path, help="also write every line to this new file")
    parser.add_argument("--config-dir", type=as_path, help="a folder of your own YAML files")
    return parser


def _check_new_file(path: Path | None) -> None:
    if path is not None and (path.exists() or not path.absolute().parent.is_dir()):
        raise UserError(f"--csv {path} must be a new file in a folder that exists")


def build(overrides: Sequence[str], config_dir: Path | None = None) -> tuple[str, Any]:
    """Compose and build the data set that the overrides name; gives its name, too."""
    from lossbench.config.composition import composed_data
    from lossbench.config.facts import build_source

    data = composed_data(overrides, config_dir)
    return data.name, build_source(data.source)


def findings_of(source: Any) -> Iterator[Finding]:
    """List every image file that cannot be read or is unusual, split by split."""
    for split, inspected in getattr(source, "inspections", {}).items():
        names = source.listed.files[split]
        for name, reason, note in zip(names, inspected.reason.tolist(), inspected.note.tolist(), strict=True):
            if reason or note:
                kind = "unreadable" if reason else "unusual"
                yield Finding(split, str(source.folder / name), kind, reason or note)


def describe(name: str, source: Any) -> list[str]:
    """Say what the data are: of files the images of each split, with the range of their sides.

    Raises:
        ValueError: the splits are not what training relies on.
    """
    if hasattr(source, "inspections"):
        return _describe_files(source)
    from lossbench.data.checks import check_splits

    check_splits(source)
    return source.about_lines(name)


def _describe_files(source: Any) -> list[str]:
    lines = [f"{source.folder}: {source.num_classes} classes"]
    for split, inspected in source.inspections.items():
        good = inspected.reason == ""
        sizes = _sizes(source, split) if good.any() else ""
        lines.append(f"  {split:5} {good.sum():7,} images, {sizes}{(~good).sum()} unreadable")
    return lines


def _classes(source: Any, *, whole: bool) -> list[str]:
    """A table of the classes, what is left out, and what is odd; [] of data without classes."""
    from lossbench.data.images.balance import class_table, counts_of, oddities

    if not source.class_names:
        return []
    counts, left_out = counts_of(source), source.left_out()
    decided = source.listed.decided if hasattr(source, "listed") else ()  # of other data describe() says it
    return [
        *class_table(source.class_names, counts, whole=whole),
        *(f"splits: {line}" for line in decided),
        *([f"left out: {'; '.join(left_out)}"] if left_out else []),
        *(f"odd: {line}" for line in oddities(source, counts)),
    ]


def _sizes(source: Any, split: str) -> str:
    """Images a class, and the shorter sides in pixels, of the readable images of a split."""
    import numpy as np

    from lossbench.data.split import class_counts

    inspected = source.inspections[split]
    good = inspected.reason == ""
    found = class_counts(np.array(source.listed.targets[split])[good], source.num_classes)
    counts = found[found > 0].tolist() or [0]
    sides = np.minimum(inspected.height, inspected.width)[good]
    return (
        f"{min(counts)} to {max(counts)} a class, "
        f"shorter side {sides.min()} to {sides.max()} px (median {np.median(sides):.0f}), "
    )


def _print_findings(findings: Sequence[Finding], kind: str) -> None:
    for finding in findings[:SHOWN]:
        print(f"{kind}: {in_line(finding.path)}: {in_line(finding.reason)}")
    if len(findings) > SHOWN:
        print(f"... and {len(findings) - SHOWN} more {kind}; --csv FILE writes all")


def write_csv(findings: Sequence[Finding], path: Path) -> None:
    """Write all findings to a new file."""
    from lossbench.rundir.files import write_atomic

    text = csv_text([("split", "path", "what", "why"), *findings])
    write_atomic(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
