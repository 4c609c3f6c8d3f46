"""A loss in the user's own file: trained and loaded by name, and nothing else is."""

import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import lossbench
from lossbench.config.build import build, check_targets
from lossbench.config.custom import SOURCE, complete, load
from lossbench.errors import UserError
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.identity import identity_hash

OWN = """
from dataclasses import dataclass
from lossbench.losses import Loss, Power, cross_entropy

@dataclass(eq=False)
class Mine(Loss):
    factor: float = 1.0

    def per_example(self, output, target):
        return self.factor * cross_entropy(output, target)

class Plain:
    pass

class Nested:
    class Inner(Loss):
        pass
"""
Plan = Callable[..., RunDirectory]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """my_own_losses.py in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_own_losses.py"
    path.write_text(OWN)
    yield path
    sys.modules.pop("my_own_losses", None)


def node(path: Path, **changed: Any) -> dict[str, Any]:
    return {"name": "x", "_target_": "my_own_losses.Mine", SOURCE: sha256(path.read_bytes()).hexdigest(), **changed}


def test_it_trains_and_loads_again(own: Path, planned: Plan) -> None:
    words = (
        "loss=custom",
        "loss.target=my_own_losses.Mine",
        "+loss.factor=2.0",
        "data=digits",
        "trainer.max_epochs=1",
        "figures=false",
    )
    run = planned(*words)
    assert run.record["loss"] == node(own, name="my_own_losses.Mine", factor=2.0)
    assert run.path.parent.name.startswith("digits-mlp-my_own_losses.Mine-")
    start(run)
    result = run.result()
    assert result is not None
    assert result.metrics["test/loss"] == pytest.approx(2 * result.metrics["test/cross_entropy"], rel=1e-5)
    assert repr(lossbench.load(run.path).parts.loss) == "Mine(reduction='mean', factor=2.0)"
    own.write_text(OWN.replace("factor: float = 1.0", "factor: float = 3.0"))
    with pytest.raises(
        UserError, match=r"the file of loss my_own_losses\.Mine has changed since .* was planned; restore it, or"
    ):
        lossbench.load(run.path)
    assert planned(*words).path != run.path  # another content is another experiment


def test_settings_and_content_are_the_identity(own: Path, planned: Plan) -> None:
    words = ("loss=custom", "loss.target=my_own_losses.Mine", "data=digits")
    first = planned(*words).record
    assert identity_hash(first) == identity_hash(planned(*words).record)
    assert identity_hash(first) != identity_hash(planned(*words, "+loss.factor=2").record)
    assert identity_hash(first) != identity_hash({**first, "loss": {**first["loss"], SOURCE: "0" * 64}})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, r"loss\.target must be module\.Class, .* got None"),
        (3, r"loss\.target must be module\.Class, .* got 3"),
        ("Mine", r"loss\.target must be module\.Class"),
        ("my_own_losses.Nested.Inner", r"loss\.target must be module\.Class"),
        ("my_own_losses:Mine", r"loss\.target must be module\.Class"),
        ("my_own_losses.__builtins__", r"loss\.target must be module\.Class"),
        ("../my_own_losses.Mine", r"loss\.target must be module\.Class"),
        ("os.system", r"os\.py has the name of a module that Python or lossbench needs"),
        ("lossbench.load", r"lossbench\.py has the name of a module"),
        (
            "missing_losses.Mine",
            r"there is no missing_losses\.py in the working directory or in a folder of PYTHONPATH",
        ),
        ("my_own_losses.Mien", r"does not define Mien at its top level; did you mean Mine\?"),
        ("my_own_losses.Power", r"does not define Power at its top level"),  # imported there, not defined
        ("my_own_losses.Inner", r"does not define Inner at its top level"),
    ],
)
def test_other_targets_are_refused_in_one_line(own: Path, target: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        complete({"name": "x", "target": target}, "loss")
    assert "\n" not in str(caught.value)
    assert "my_own_losses" not in sys.modules


def test_a_class_that_is_no_loss_is_refused(own: Path) -> None:
    with pytest.raises(
        UserError, match=r"my_own_losses\.Plain must be a class that derives from lossbench\.losses\.Loss"
    ):
        load("my_own_losses.Plain")


def test_a_file_that_is_already_another_module_is_refused(own: Path) -> None:
    own.with_name("pytest.py").write_text(OWN)
    with pytest.raises(UserError, match=r"has the name of a module that is already imported .*; rename it"):
        load("pytest.Mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Mine(:", "is not Python: "),
        ("class Mine: pass\n1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_file_is_one_line(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    with pytest.raises(UserError, match=message):
        load("my_own_losses.Mine")
    assert "my_own_losses" not in sys.modules


def test_what_is_loaded_runs_nothing_but_the_recorded_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write_text(f"open('ran', 'w').close()\n{OWN}")
    stranger = node(own, **{SOURCE: "0" * 64})
    check_targets({"loss": stranger})  # imports nothing
    with pytest.raises(UserError, match=r"has changed \(SHA-256 "):
        build(stranger, "loss")
    for where in ("optimizer", "model.backbone", "yardsticks.x"):
        with pytest.raises(UserError, match=rf"^{where}\._target_=my_own_losses\.Mine is refused"):
            build(node(own), where)
    for bad in ({SOURCE: "short"}, {SOURCE: None}, {"_target_": "os.path.join"}, {"_target_": "my_own_losses"}):
        with pytest.raises(UserError, match="is refused"):
            build(node(own, **bad), "loss")
    assert not Path("ran").exists()
    assert type(build(node(own), "loss")).__name__ == "Mine"
    assert Path("ran").exists()


def test_what_runs_is_what_was_hashed_not_a_cached_copy(own: Path) -> None:
    import py_compile

    good = OWN.replace("factor: float = 1.0", "factor: float = 7.0")
    own.write_text(good)
    compiled = Path(py_compile.compile(str(own)))  # type: ignore[arg-type]
    stolen = compiled.read_bytes()
    own.write_text(OWN)
    py_compile.compile(str(own))
    compiled.write_bytes(compiled.read_bytes()[:16] + stolen[16:])  # the header of this file, the code of another
    assert load("my_own_losses.Mine")().factor == 1.0


def test_a_yardstick_needs_a_name_of_its_own(planned: Plan) -> None:
    with pytest.raises(UserError, match="yardsticks: custom names no loss by itself; leave it out"):
        planned("yardsticks=[custom]")
