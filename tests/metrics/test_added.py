"""The metric of docs/add_a_metric.md, applied to a copy of the project, goes through every local launcher."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

BLOCK = re.compile(r"<!-- (append): (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def with_a_metric(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the metric of docs/add_a_metric.md."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "train.py", project)
    ((kind, name, text),) = BLOCK.findall((ROOT / "docs" / "add_a_metric.md").read_text())
    assert kind == "append"
    with open(project / name, "a") as file:
        file.write("\n\n" + text)
    return project


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "vectorized", "process"])
def test_adding_a_metric_touches_one_file(with_a_metric: Path, launcher: str) -> None:
    words = ["data=digits", "model=linear", "loss=cross_entropy,power", "trainer.max_epochs=2", "monitor=val/doubt"]
    words += [f"study={launcher}", f"hydra/launcher={launcher}", "hydra.sweeper.metric=test/doubt"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(with_a_metric / "src"),
        "LOSSBENCH_RUNS": str(with_a_metric / "runs"),
    }
    command = [sys.executable, "train.py", "-m", *words]
    done = subprocess.run(command, cwd=with_a_metric, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    study = with_a_metric / "runs" / launcher
    results = [json.loads(path.read_text()) for path in study.rglob("result.json")]
    assert len(results) == 2
    for result in results:
        assert 0 <= result["metrics"]["test/doubt"] <= 1
        assert result["half_width_95"]["test/doubt"] > 0
    assert all(path.read_text().count("val/doubt") == 2 for path in study.rglob("metrics.csv"))
    (page,) = study.rglob("report.html")
    assert "test/doubt" in page.read_text()
