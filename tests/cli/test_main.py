"""The first word of a command line: a subcommand, a setting, or a mistake."""

import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ROOT
from typed import command

from lossbench.cli import main as module
from lossbench.cli.main import COMMANDS, run

SCRIPTS = {"check_data": "check"} | {name: name for name in ("atlas", "curves", "evaluate", "report", "status")}


def ended(words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Exit code, stdout and stderr of a command line, in this process."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(words)
    return stopped.value.code, *capfd.readouterr()


@pytest.mark.parametrize(
    "words", [[], ["-m"], ["--help"], ["loss=power"], ["+loss.q=1"], ["~logger"], ["--cfg", "job"]]
)
def test_settings_and_flags_are_a_run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[list[str]] = []
    monkeypatch.setattr("lossbench.cli.train.main", lambda: trained.append(words))
    with pytest.raises(SystemExit) as stopped:
        run(words)
    assert (stopped.value.code, trained) == (0, [words])


def test_the_version_is_the_packages(capfd: pytest.CaptureFixture[str]) -> None:
    assert ended(["--version"], capfd) == (0, f"lossbench {version('lossbench')}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_names_it(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended([name, "--help"], capfd)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: lossbench {name} ")
    told = import_module(f"lossbench.cli.{name.replace('-', '_')}").__doc__
    assert f"lossbench {name} " in str(told)


def test_wrong_words_import_no_hydra() -> None:
    """Seconds of imports stand between a typing error and its message otherwise."""
    done = command("-X", "importtime", "-m", "lossbench", "repor", runs=Path("nowhere"))
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == 1
    assert "lossbench.cli.main" in modules
    assert modules & {"hydra", "numpy", "torch", "matplotlib", "scipy"} == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_the_commands(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / f"{script}.py", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"usage: lossbench {SCRIPTS[script]} ")


def test_tracebacks_are_the_users_wish_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HYDRA_FULL_ERROR", "LOSSBENCH_WORDS_ERRORS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    wants = module._wants_tracebacks  # pyright: ignore[reportPrivateUsage]
    assert (wants(), wants()) == (False, False)
    assert os.environ["HYDRA_FULL_ERROR"] == "1"
    monkeypatch.delenv("LOSSBENCH_WORDS_ERRORS")
    assert wants()


def test_the_documentation_names_commands_that_exist() -> None:
    texts = [path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    named = {
        word
        for text in texts
        for word in re.findall(r"(?:^    |`)lossbench ([a-z][\w-]*)(?=[ `\n])", text, re.MULTILINE)
    }
    assert named == set(COMMANDS)


# -- a folder of the user's own YAML files


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A loss and an experiment of one's own."""
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "experiment").mkdir()
    (tmp_path / "mine" / "loss" / "soft_power.yaml").write_text(
        "name: soft_power\n_target_: lossbench.losses.Power\nq: 0.3\n"
    )
    (tmp_path / "mine" / "experiment" / "small.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /loss: soft_power\n  - override /data: digits\n"
        "data:\n  images_per_class: 5\ntrainer:\n  max_epochs: 1\n"
    )
    (tmp_path / "mine" / "recipe").mkdir()
    (tmp_path / "mine" / "recipe" / "seven.yaml").write_text("# @package _global_\nseed: 7\n")
    return tmp_path / "mine"


def test_own_yaml_files_are_options_like_ours(own: Path, tmp_path: Path) -> None:
    small = ("experiment=small", "+recipe=seven")
    shown = command("-m", "lossbench", "--config-dir", "mine", *small, "--cfg", "job", runs=tmp_path, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "name: soft_power" in shown.stdout
    assert "images_per_class: 5" in shown.stdout
    assert shown.stdout.startswith("replicate: null\nseed: 7\n")
    search = f"hydra.searchpath=[file://{own}]"
    again = command("-m", "lossbench", *small, search, "--cfg", "job", runs=tmp_path, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, shown.stdout)
