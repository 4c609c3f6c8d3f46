"""examples/digits.ipynb: its code runs from top to bottom, and what it says of itself is true."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from typed import TYPED

NOTEBOOK = ROOT / "examples" / "digits.ipynb"
# Executes the cells in one namespace, each one's last expression shown as a notebook shows it.
KERNEL = """
import ast, json, sys
from pathlib import Path
import matplotlib
matplotlib.use("agg")
namespace = {"__name__": "__main__"}
shown = []
for source in json.loads(Path(sys.argv[1]).read_text()):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace) if last else None
    html = getattr(value, "_repr_html_", None)
    shown.append((html and html()) or repr(value))
axes = namespace["axes"]
Path(sys.argv[2]).write_text(json.dumps({"shown": shown, "titles": [axis.get_title() for axis in axes]}))
"""


def cells(kind: str) -> list[str]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    assert [cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@pytest.mark.slow
def test_the_notebook_trains_compares_and_draws(tmp_path: Path) -> None:
    (tmp_path / "cells.json").write_text(json.dumps(cells("code")))
    command = [sys.executable, "-W", "error", "-W", "ignore::FutureWarning", "-c", KERNEL, "cells.json", "out.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=TYPED | {"LOSSBENCH_RUNS": "runs"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    out = json.loads((tmp_path / "out.json").read_text())
    results = [json.loads(path.read_text()) for path in tmp_path.glob("runs/default/*/seed*/result.json")]
    assert len(results) == 15  # the first run is found again
    table = next(text for text in out["shown"] if text.startswith("<table>"))
    assert [loss for loss in ("cross_entropy", "cosine_xent", "power") if f"<td>{loss}</td>" not in table] == []
    assert any("Figure" in text for text in out["shown"])
    assert any(", taken for " in title for title in out["titles"])
