"""What the documentation names exists; its example of a new loss, applied to a copy of the project, passes the laws."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# `src/lossbench/losses/`, `rundir/identity.py`, python scripts/atlas.py
PATH = re.compile(
    r"`((?:src|conf|docs|scripts|tests|examples)/[\w./-]+|[\w-]+/[\w/-]+\.py)`|python (scripts/\w+\.py|train\.py)"
)
USERS_OWN = ("conf/hydra/launcher/mycluster.yaml",)
BLOCK = re.compile(r"<!-- (append|create): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.mark.slow
def test_adding_a_loss_touches_three_files(tmp_path: Path) -> None:
    for folder in ("src", "tests", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    edits = BLOCK.findall((ROOT / "docs" / "add_a_loss.md").read_text())
    assert [kind for kind, _, _ in edits] == ["append", "create", "append"]
    for kind, name, text in edits:
        path = tmp_path / name
        assert path.exists() == (kind == "append")
        path.write_text((path.read_text() + "\n\n" if kind == "append" else "") + text)
    command = [sys.executable, "-m", "pytest", "tests/losses", "-q", "-k", "squared_miss or every_loss"]
    environment = {"PYTHONPATH": str(tmp_path / "src"), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 20


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
EXAMPLES = ("squared_miss", "soft_power", "small")


def test_options_of_groups_exist() -> None:
    groups = "|".join(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())
    for page in PAGES:
        for group, option in re.findall(rf"(?<![\w.])({groups})=([a-z]\w*)(?![\w.]*=)", page.read_text()):
            assert option in EXAMPLES or (ROOT / "conf" / group / f"{option}.yaml").exists(), f"{group}={option}"
