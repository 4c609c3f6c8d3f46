"""Run directories as a broken disk, a careless copy or a hostile sender leaves them."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    """Leave a random part of the beginning."""
    whole = path.read_bytes()
    path.write_bytes(whole[: random.Random(len(whole)).randrange(len(whole) - 1)])


def flip(path: Path) -> None:
    """Change some bytes."""
    spoilt, stream = bytearray(path.read_bytes()), random.Random(0)
    for _ in range(max(5, len(spoilt) // 20)):
        spoilt[stream.randrange(len(spoilt))] = stream.randrange(256)
    path.write_bytes(bytes(spoilt))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    """A file without end."""
    path.unlink()
    path.symlink_to("/dev/zero")


def holds(content: bytes) -> Damage:
    """Another content."""

    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def says(**values: Any) -> Damage:
    """Other values of a JSON file."""

    def damage(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return damage


ANY_FILE: dict[str, Damage] = {
    "cut": cut,
    "flipped": flip,
    "folder": folder,
    "loop": loop,
    "pipe": pipe,
    "device": device,
    "empty": holds(b""),
    "binary": holds(bytes(range(256)) * 20),
}
OBJECTS: dict[str, Damage] = {
    "list": holds(b"[]"),
    "number": holds(b"1"),
    "nested": holds(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "large": holds(b'{"a": "' + b"x" * 20_000_000 + b'"}'),
}


def of_ten(name: bytes, first: bytes) -> bytes:
    """Ten times the line before, in each line."""
    lines = (b"a%d: &a%d\n  %s[%s]\n" % (k, k, name, b",".join([b"*a%d" % (k - 1)] * 10)) for k in range(1, 13))
    return first + b"".join(lines)


YAML: dict[str, Damage] = {
    "cycle": holds(b"data: &a\n  x: *a\n"),
    "bomb": holds(of_ten(b"", b"a0: &a0 [x]\n")),
    "merge": holds(of_ten(b"<<: ", b"a0: &a0 {k: v}\n")),
    "flow": holds(b"data: " + b"[" * 200_000 + b"]" * 200_000),
    "dashes": holds(b"data:\n" + b"- " * 200_000 + b"x\n"),
    "date": holds(b"data: 2024-01-01\n"),
    "digits": holds(b"seed: " + b":".join([b"1"] * 300_000) + b"\n"),
    "object": holds(b"data: !!python/object/apply:os.getcwd []\n"),
}  # fmt: skip
WRONG_VALUES: dict[str, list[Any]] = {
    "result.json": [
        {name: value}
        for name in ("metrics", "n", "params", "seed", "steps", "seconds", "classes", "data", "loss", "hash", "git",
                     "command", "resumed_at", "peak_memory_mb", "versions", "half_width_95", "scale")
        for value in ([1], {"a": [1]}, "x", float("nan"))
        if not (name in ("params", "git") and isinstance(value, dict))
        and not (name in ("data", "loss", "hash") and value == "x")
    ],
    "status.json": [
        {name: value}
        for name in ("status", "reason", "running", "pid", "params", "command", "made_with")
        for value in ([1], {"a": [1]}, "x", float("nan"))
        if not (name in ("params", "made_with") and isinstance(value, dict))
        and not (name in ("status", "reason") and value == "x")
    ],
}  # fmt: skip


def without_folder(run: Path) -> None:
    """A file where the run directory was."""
    shutil.rmtree(run)
    run.write_text("x")
