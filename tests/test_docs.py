"""What the documentation says is true: its example of a new loss is applied to a copy of the project and passes every law."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


def test_commands_in_the_readme_name_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text() + "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for script in set(re.findall(r"python (scripts/\w+\.py|train\.py)", text)):
        assert (ROOT / script).exists(), script
    for link in set(re.findall(r"\]\((?!https?:|#)([^)#]+)", text)):
        assert (ROOT / link).exists() or (ROOT / "docs" / link).exists(), link
    groups = "|".join(path.name for path in (ROOT / "conf").iterdir() if path.is_dir())
    for group, option in set(re.findall(rf"(?<![\w.])({groups})=([a-z]\w*)(?![\w.]*=)", text)):
        assert (ROOT / "conf" / group / f"{option}.yaml").exists() or option in ("squared_miss",), f"{group}={option}"
