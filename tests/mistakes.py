"""The table of wrong command lines: tests/wrong_input/*.txt, and the folder in which they are typed.

A line of the table is what a user types in a shell, then "  # " and what the answer must say, pieces parted by " ... ".
Empty lines and lines that begin with # are left out. Variables may stand before the command, as in a shell.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import plan_run
from made_runs import make_arm, make_run
from photos import save_photo

TABLES = Path(__file__).parent / "wrong_input"
NEED_TORCH = "needs_torch"
"""The table of mistakes that only the model, a checkpoint or a loss of one's own can find: they take seconds."""
INTERNAL = (
    "mismatched input|no viable|token recognition|extraneous|LexerNoViable|full_key|object_type|object of type"
    "|Traceback|NoneType|<class '|argument of|unexpected keyword|not subscriptable|Errno|OmegaConf|omegaconf"
)
"""What the libraries' own messages hold, and a user cannot use."""
LONG = 300 * "x"
"""What $LONG stands for in the table: more than a name of a file may have."""
OWN = """
from lossbench.losses import Loss

class Mine(Loss):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def per_example(self, logits, target):
        return self.factor * logits.exp().sum(1)

class NoLoss:
    pass
"""


@dataclass(frozen=True)
class Mistake:
    """A wrong command line.

    Args:
        topic: its file of the table.
        typed: as in a shell.
        mentions: what the answer must say, in this order.
    """

    topic: str
    typed: str
    mentions: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The variables before the command."""
        return dict(word.split("=", 1) for word in shlex.split(self._parts()[0]))

    @property
    def words(self) -> tuple[str, ...]:
        """What follows `python`."""
        return ("-m", "lossbench", *shlex.split(self._parts()[1]))

    def _parts(self) -> tuple[str, str]:
        found = re.fullmatch(r"((?:\w+=(?:'[^']*'|\S)* )*)lossbench\b(.*)", self.typed.replace("$LONG", LONG))
        assert found, f"{self.typed} is no command line of lossbench"
        return found[1], found[2]

    @property
    def needs_torch(self) -> bool:
        """Whether it can only be found after torch has been imported."""
        return self.topic == NEED_TORCH

    def faults_of(self, code: int, out: str, err: str) -> list[str]:
        """What is wrong with an answer; [] for one good line."""
        faults = []
        if code not in (1, 2):
            faults.append(f"exit code {code}")
        if not re.fullmatch(r"error: [^\n]+\n", err):
            faults.append("not one line")
        if found := re.search(INTERNAL, err):
            faults.append(f"says {found[0]!r}")
        pattern = ".*".join(map(re.escape, self.mentions))
        if not re.search(pattern, err):
            faults.append(f"does not say {' ... '.join(self.mentions)!r}")
        return [*faults, *(["prints something"] if out else [])]


def mistakes() -> list[Mistake]:
    """Read the whole table."""
    return [mistake for path in sorted(TABLES.glob("*.txt")) for mistake in _read(path)]


def _read(path: Path) -> list[Mistake]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    found = []
    for line in lines:
        typed, sign, expected = line.rpartition("  # ")
        assert sign, f"{path.name}: {line!r} does not say what the answer must say"
        found.append(Mistake(path.stem, typed.strip(), tuple(expected.strip().split(" ... "))))
    return found


def make_desk(folder: Path) -> Path:
    """Make the folder in which the lines of the table are typed: photographs, runs, a loss of one's own."""
    for name in ("cat", "dog"):
        for i in range(6):
            save_photo(folder / "photos" / name / f"{i}.jpg", i, (12, 12))
    rows = [f"photos/{name}/{i}.jpg,{name}\n" for name in ("cat", "dog") for i in range(6)]
    (folder / "photos.csv").write_text("".join(["file,label\n", *rows]))
    cells = [f"{i},{i % 7},{'xyz'[i % 3]},p{i // 2},{i / 7},{'' if i == 2 else 1}\n" for i in range(60)]
    (folder / "rows.csv").write_text("".join(["row,number,kind,patient,price,hole\n", *cells]))
    (folder / "ragged.csv").write_text("a,target\n1,x\n2,y,z\n")
    for i in range(4):
        save_photo(folder / "one_class" / "cat" / f"{i}.jpg", i, (12, 12))
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("not an image\n")
    (folder / "my_losses.py").write_text(OWN)
    for name, rows in {"nine": np.eye(9), "nan": np.where(np.arange(10)[:, None] == 3, np.nan, np.eye(10))}.items():
        np.save(folder / f"{name}.npy", rows)
    np.save(folder / "labels.npy", np.arange(10))
    np.savez(folder / "x.npz", X=np.eye(30, 4), labels=np.arange(30) % 2)
    for name in ("mine/loss/soft_power.yaml", "hidden/loss/power.yaml"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(f"name: {Path(name).stem}\n_target_: lossbench.losses.Power\nq: 0.3\n")
    make_arm(folder / "study", "cross_entropy", [0.8, 0.9])
    make_arm(folder / "study", "power", [0.9, 0.8])
    make_run(folder / "planned", state="planned")
    (folder / "digits").symlink_to(plan_run(folder / "of_digits", "data=digits").path)
    return folder


def listing(folder: Path) -> dict[str, int]:
    """Every file and folder below one, with its size."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*"))}
