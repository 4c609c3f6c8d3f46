"""What the documentation names exists, and its examples of new parts work in a copy of the project."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typed import command

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# `src/lossbench/losses/`, `rundir/identity.py`, python scripts/atlas.py
PATH = re.compile(
    r"`((?:src|conf|docs|scripts|tests|examples)/[\w./-]+|[\w-]+/[\w/-]+\.py)`|python (scripts/\w+\.py|train\.py)"
)
USERS_OWN = ("conf/hydra/launcher/mycluster.yaml",)
BLOCK = re.compile(r"<!-- (append|create): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


OWN = re.compile(r"<!-- own: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^    python (train\.py .+)$", re.MULTILINE)


def copy_project(folder: Path) -> None:
    for name in ("src", "tests", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "train.py"):
        shutil.copy(ROOT / name, folder)


def apply(page: str, folder: Path) -> list[str]:
    """Make the edits of a page in a copy of the project; give their kinds."""
    edits = BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text())
    for kind, name, text in edits:
        path = folder / name
        assert path.exists() == (kind == "append")
        path.write_text((path.read_text() + "\n\n" if kind == "append" else "") + text)
    return [kind for kind, _, _ in edits]


def python_in(folder: Path, *words: str) -> str:
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


@pytest.mark.slow
def test_adding_a_loss_touches_three_files(tmp_path: Path) -> None:
    copy_project(tmp_path)
    assert apply("add_a_loss", tmp_path) == ["append", "create", "append"]
    printed = python_in(tmp_path, "-m", "pytest", "tests/losses", "-q", "-k", "squared_miss or every_loss")
    assert int(re.findall(r"(\d+) passed", printed)[0]) >= 20


@pytest.mark.slow
def test_adding_a_data_set_or_a_model_touches_two_files(tmp_path: Path) -> None:
    copy_project(tmp_path)
    for page in ("add_a_data_set", "add_a_model"):
        assert apply(page, tmp_path) == ["create", "create"]
    python_in(tmp_path, "train.py", "data=rings", "model=residual_mlp", "loss=cross_entropy")
    (path,) = (tmp_path / "runs").glob("default/rings-residual_mlp-cross_entropy-*/seed0/result.json")
    assert json.loads(path.read_text())["metrics"]["test/accuracy"] > 0.9
    printed = python_in(tmp_path, "-m", "pytest", "tests/config/test_data_set_defaults.py", "-q", "-k", "rings")
    assert int(re.findall(r"(\d+) passed", printed)[0]) >= 10  # every choice of the groups with the new data set


@pytest.mark.slow
@pytest.mark.parametrize("page", ["add_a_data_set", "add_a_model"])
def test_the_commands_for_a_file_of_ones_own_work(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    ((name, content),) = OWN.findall(text)
    (tmp_path / name).write_text(content)
    commands = COMMAND.findall(text[text.index("<!-- commands -->") :])
    assert len(commands) == 3
    for line in commands:
        script, *words = shlex.split(line)
        done = command(str(ROOT / script), *words, runs=tmp_path / "runs", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), line
    engines = [json.loads(path.read_text())["engine"] for path in (tmp_path / "runs").rglob("result.json")]
    assert sorted(engines) == ["lightning"] * 2 + ["vectorized"] * 10


def test_links_lead_to_files() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text())]
    assert len(links) > 50
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_paths_of_the_repository_exist() -> None:
    paths = [(page, path) for page in PAGES for path in paths_in(page) if path not in USERS_OWN]
    assert len(paths) > 20
    assert [f"{page.name}: {path}" for page, path in paths if not exists(path)] == []


def paths_in(page: Path) -> set[str]:
    """The paths that a page names in backticks or runs."""
    return {quoted or run for quoted, run in PATH.findall(page.read_text())}


def exists(path: str) -> bool:
    """Whether a path is there, below the repository or below the package."""
    return (ROOT / path).exists() or (ROOT / "src" / "lossbench" / path).exists()


def test_commands_name_modules_that_exist() -> None:
    names = {name for page in PAGES for name in re.findall(r"python -m (lossbench[\w.]*)", page.read_text())}
    assert "lossbench.job" in names
    found = {name: find_spec(name) for name in names}
    assert [name for name, spec in found.items() if spec is None] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(index)}
    assert {page.name for page in set(PAGES) - linked} == {"index.md"}


# Options of a reader's own, in the pages that show how to add one.
EXAMPLES = ("squared_miss", "soft_power", "small", "rings", "residual_mlp")


def test_options_of_groups_exist() -> None:
    groups = "|".join(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())
    for page in PAGES:
        for group, option in re.findall(rf"(?<![\w.])({groups})=([a-z][\w/-]*)(?![\w.-]*=)", page.read_text()):
            assert option in EXAMPLES or (ROOT / "conf" / group / f"{option}.yaml").exists(), f"{group}={option}"
