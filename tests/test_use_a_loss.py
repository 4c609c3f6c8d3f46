"""The scripts of docs/use_a_loss.md run as they stand, and learn."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[1] / "docs" / "use_a_loss.md"
SCRIPTS = re.findall(r"^<!-- run -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
HUGGING_FACE = next(script for script in SCRIPTS if "transformers" in script)
TIMM = next(script for script in SCRIPTS if "import timm" in script)
HEAD = "from lossbench.models.heads import CosineHead"


def run(script: str) -> dict[str, Any]:
    """Execute a script; give its variables."""
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, str(PAGE), "exec"), names)
    return names


def needs_seconds(script: str) -> bool:
    return any(f"import {library}" in script for library in ("timm", "pytorch_lightning")) or script is HUGGING_FACE


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Accelerate writes its settings into the environment, where later tests would find them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize(
    "script",
    [pytest.param(each, marks=pytest.mark.slow if needs_seconds(each) else ()) for each in SCRIPTS],
    ids=range(len(SCRIPTS)),
)
def test_a_script_runs_and_learns(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run(script)
    assert names.get("accuracy", 1.0) > 0.8
    assert ("accuracy" in names) == (".backward()" in script or "rainer" in script)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_accumulated_parts_of_the_hugging_face_trainer_are_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = HUGGING_FACE.replace("num_train_epochs=4", 'max_steps=2, optim="sgd", max_grad_norm=0')  # sees a factor
    parts = short.replace("batch_size=16", "batch_size=8, gradient_accumulation_steps=2")
    assert len({HUGGING_FACE, short, parts}) == 3
    whole, accumulated = (run(script)["model"].state_dict() for script in (short, parts))
    for name, weights in whole.items():
        torch.testing.assert_close(accumulated[name], weights, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("script", "old_model", "old_loss"),
    [
        pytest.param(HUGGING_FACE, "loss = ", "losses.CosineProb()", id="hugging_face"),
        pytest.param(TIMM, 'model = timm.create_model("resnet18", num_classes=3)', "losses.Poly1()", id="timm"),
    ],
)
def test_a_cosine_head_takes_the_place_of_the_last_layer_as_the_page_says(
    script: str, old_model: str, old_loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (said,) = re.findall(r"^For a loss of cosines: (.*)", PAGE.read_text().split(script)[1], re.MULTILINE)[:1]
    model, *body = re.findall(r"`(.*?)`", said)
    lines = [HEAD, "from torch import nn", model, *(f"model = {made}" for made in body)]
    kept = old_model if old_model == "loss = " else ""
    changed = script.replace(old_model, "\n".join([*lines, kept]), 1).replace(old_loss, "losses.CosFace(scale=16.0)")
    names = run(changed)
    assert [type(each).__name__ for each in names["model"].modules()].count("CosineHead") == 1
    assert names["accuracy"] > 0.8


def test_every_script_of_the_page_is_run() -> None:
    assert PAGE.read_text().count("```python") == len(SCRIPTS) == 7
