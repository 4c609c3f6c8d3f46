"""lossbench atlas and the commands of docs/add_a_loss.md, as a user types them."""

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT
from typed import assert_one_line, command

ATLAS = str(ROOT / "scripts" / "atlas.py")
TEXT = (ROOT / "docs" / "add_a_loss.md").read_text()
OWN = re.search(r"<!-- own: (\S+) -->\n```python\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = re.findall(r"^    ((?:python|lossbench) .+)$", TEXT[TEXT.index("<!-- commands -->") :], flags=re.MULTILINE)
WRONG_SIGN = """
class WrongSign(SquaredMiss):
    def per_example(self, output, target):
        return -super().per_example(output, target)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The document's file of one's own, with a wrong loss behind it."""
    assert OWN is not None
    (tmp_path / OWN[1]).write_text(OWN[2] + WRONG_SIGN)
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_document_work(own: Path) -> None:
    assert [line.split()[1] for line in COMMANDS] == ["atlas"] * 2 + ["train.py"] * 4 + ["report"]
    done = None
    for line in COMMANDS:
        program, *words = shlex.split(line)
        given = ["-m", "lossbench", *words] if program == "lossbench" else [str(ROOT / words[0]), *words[1:]]
        done = command(*given, runs=own / "runs", cwd=own)
        assert (done.returncode, done.stderr) == (0, ""), line
    assert done is not None
    assert "my_losses.SquaredMiss factor=2" in done.stdout
    assert re.search(r"cross_entropy +baseline", done.stdout)
    assert_drawn_and_trained(own)


def assert_drawn_and_trained(own: Path) -> None:
    page = (own / "runs" / "atlas" / "atlas.html").read_text()
    assert 'id="loss-my_losses.SquaredMiss"' in page
    assert "L = factor (1 − p<sub>y</sub>)<sup>2</sup>" in page
    assert (own / "runs" / "atlas" / "figures" / "my_losses.SquaredMiss-factor.svg").exists()
    assert len(list(own.glob("runs/default/digits-mlp-my_losses.SquaredMiss-*/seed0/result.json"))) == 2
    stacked = [
        json.loads(path.read_text())
        for path in own.glob("runs/mine/digits-mlp-my_losses.SquaredMiss-*/replicate*/result.json")
    ]
    assert [result["engine"] for result in stacked] == ["vectorized"] * 16


def test_a_faulty_loss_is_caught(own: Path) -> None:
    done = command(ATLAS, "--check", "my_losses:WrongSign", runs=own, cwd=own)
    assert (done.returncode, done.stderr) == (1, "")
    assert (
        "BROKEN the true class should rise: Where all logits are equal, most examples want their true class higher."
        in done.stdout
    )
    assert done.stdout.endswith("1 law is broken\n")


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (["my_losses:NeedsMore"], ["cannot be built with its defaults (TypeError: ", "give every setting a default"]),
        (["loss=power", "--out", "my_losses.py"], ["my_losses.py"]),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) and "=" in item[0] else None,
)
def test_wrong_words_are_one_line(own: Path, words: list[str], mentions: list[str]) -> None:
    with open(own / "my_losses.py", "a") as file:
        file.write("\n\nclass NeedsMore(Loss):\n    def __init__(self, factor):\n        super().__init__()\n")
    done = command(ATLAS, *words, runs=own, cwd=own)
    assert_one_line(done.returncode, done.stderr, *mentions)
