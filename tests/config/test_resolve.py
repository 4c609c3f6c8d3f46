"""From what the user typed to a planned directory, through the real configuration files."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import plan_run

from lossbench.config.facts import build_source
from lossbench.config.resolve import prepare, resolve
from lossbench.config.verify import verify
from lossbench.data.digits import Digits
from lossbench.data.toy import Toy
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import write_yaml
from lossbench.rundir.identity import identity_hash

Planned = Callable[..., RunDirectory]
TOY = {"name": "toy", "_target_": "lossbench.data.toy.Toy", "batch_size": 4}


def loss_of(name: str) -> Mapping[str, Any]:
    return {"name": name, "_target_": "lossbench.losses.CrossEntropy"}


def typed(run: RunDirectory, **changes: object) -> dict[str, Any]:
    """What a user's command line composes to."""
    return {
        **run.record,
        "runs_dir": str(run.path.parents[2]),
        "force": False,
        "search": {"own": "published"},
        **dict.fromkeys(("trials", "budget", "parent")),
        "plan": False,
        "yardsticks": ["cross_entropy"],
        **changes,
    }


def rewrite(run: RunDirectory, **changes: object) -> RunDirectory:
    """Plan by hand: the changed configuration in the directory it belongs to."""
    config = {key: value for key, value in {**run.record, **changes}.items() if value != "REMOVED"}
    path = run.path.parents[1] / f"by-hand-{identity_hash(config)[:8]}" / run.path.name
    path.mkdir(parents=True)
    write_yaml(path / "config.yaml", config)
    return RunDirectory(path)


def test_the_default_is_the_published_toy_run(planned: Planned, tmp_path: Path) -> None:
    run = planned()
    verify(run)
    assert run.path.parent.parent == tmp_path / "runs" / "default"
    assert run.path.parent.name.startswith("toy-linear-cosine_prob-")
    assert run.config.fingerprint == Toy().fingerprint()
    assert run.config.yardsticks["cross_entropy"].target == "lossbench.losses.CrossEntropy"
    assert "runs_dir" not in run.record
    assert "force" not in run.record


@pytest.mark.parametrize(
    "override",
    ["seed=1", "data.num_workers=2", "logger=csv", "trainer.threads=2", "progress_bar=false", "loss.alpha=0.90"],
)
def test_what_does_not_decide_shares_the_parent(planned: Planned, override: str) -> None:
    assert planned(override).path.parent == planned().path.parent


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["loss=focal"], "toy-linear-focal-1274450f"),
        (["loss=focal", "loss.search.gamma.range=[1,2]"], "toy-linear-focal-1274450f"),
        (["loss=arcface"], "toy-linear-arcface-ccd626ea"),
        (["loss=focal", "yardsticks=[focal,power]"], "toy-linear-focal-cf4f6c97"),
    ],
)
def test_ranges_of_a_search_are_no_part_of_a_run(planned: Planned, words: list[str], name: str) -> None:
    """The names are those of before losses had ranges."""
    run = planned(*words)
    assert run.path.parent.name == name
    assert not [
        key for loss in (run.record["loss"], *run.record["yardsticks"].values()) for key in loss if key == "search"
    ]


@pytest.mark.parametrize(
    "override", ["loss.alpha=0.8", "data.batch_size=2", "trainer.max_epochs=3", "optimizer.lr=0.1", "yardsticks=[]"]
)
def test_what_decides_does_not(planned: Planned, override: str) -> None:
    assert planned(override).path.parent.name != planned().path.parent.name


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=-1", r"seed must be a whole number between 0 and 4294967295, got -1"),
        ("loss.alpha=0", r"loss\.alpha must be > 0, got 0"),
        ("data.init=publishde", r"data\.init must be published or random, got 'publishde'; did you mean published\?"),
        (
            "yardsticks=cross_entropy",
            r"yardsticks must be a list of losses such as \[cross_entropy,cosine_prob\], got 'cross_entropy'",
        ),
        ("yardsticks=[1]", r"yardsticks must be a list of losses"),
        ("yardsticks=[cross_entrpy]", r"yardsticks: there is no loss cross_entrpy; did you mean cross_entropy\?"),
        ("yardsticks=[cosine_xent_head]", r"yardsticks: cosine_xent_head needs a head of its own"),
        ("loss._target_=os.system", r"loss\._target_=os\.system is refused"),
        ("+logger.x={_target_:os.system}", r"logger\.x\._target_=os\.system is refused"),
        ("force=1", r"force must be true or false, got 1"),
        ("runs_dir=null", r"runs_dir must be a folder such as runs, got None"),
        ("runs_dir=''", r"runs_dir must be a folder such as runs, got ''"),
        ("runs_dir='/tmp/x\ntouch PWN\n#'", r"runs_dir must be a path without line breaks and control characters"),
        (
            "runs_dir='/tmp/\x1b[31mred'",
            r"runs_dir must be a path without line breaks and control characters, got '/tmp/.x1b",
        ),
        ("+data.colour=red", r"data\.colour does not exist for Toy; .*Available: init"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing_behind(
    planned: Planned, tmp_path: Path, override: str, line: str
) -> None:
    with pytest.raises(UserError, match=f"^{line}") as caught:
        planned(override)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_more_images_than_there_are_is_one_line(planned: Planned) -> None:
    with pytest.raises(
        UserError, match=r"^data\.images_per_class must be <= \d+ \(class \d has no more training images\), got 500$"
    ):
        planned("data=digits", "data.images_per_class=500")


def test_force_archives(planned: Planned, tmp_path: Path) -> None:
    run = planned()
    (run.path / "mine.txt").write_text("kept")
    assert planned("force=true").path == run.path
    assert not (run.path / "mine.txt").exists()
    assert [path.read_text() for path in (tmp_path / "runs" / ".archive").rglob("mine.txt")] == ["kept"]


def test_home_is_expanded(planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planned()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    moved = prepare(typed(run, runs_dir="~/results"), loss_of, [])
    assert moved.path.is_relative_to(tmp_path / "home" / "results")


def test_resolving_leaves_what_was_typed_alone(planned: Planned) -> None:
    given = typed(planned())
    before = {**given}
    resolve(given, loss_of)
    assert given == before


def test_verify_refuses_an_edit(planned: Planned) -> None:
    run = planned()
    write_yaml(run.path / "config.yaml", {**run.record, "monitor": "val/nll"})
    with pytest.raises(UserError, match="does not belong to this directory"):
        verify(RunDirectory(run.path))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fingerprint": "REMOVED", "seed": "REMOVED"}, r"config\.yaml lacks seed, fingerprint; plan the run again"),
        ({"monitor": "REMOVED"}, r"config\.yaml lacks monitor; plan the run again"),
        ({"log_every_n_steps": 0}, "log_every_n_steps must be a whole number >= 1, got 0"),
        ({"logger": {"x": {"_target_": "os.system"}}}, r"logger\.x\._target_=os\.system is refused"),
        (
            {"fingerprint": "0" * 16},
            r"the data of .* have changed since it was planned \(fingerprint 0{16}, now \w{16}\); restore them",
        ),
        (
            {"data": {**TOY, "init": "${oc.env:HOME}"}},
            r"data\.init must be published or random, got '\$\{oc\.env:HOME\}'",
        ),
    ],
)
def test_verify_refuses_what_was_planned_by_hand(planned: Planned, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        verify(rewrite(planned(), **changes))


def test_verify_is_content_with_a_directory_that_moved(tmp_path: Path) -> None:
    run = plan_run(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    verify(RunDirectory(tmp_path / "there" / run.path.relative_to(tmp_path / "here")))


def test_augmentation_is_checked_when_a_run_is_planned(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^augment\.scale must be two numbers, 0 < smallest <= largest <= 1, got \[0\.5\]$"
    ):
        plan_run(tmp_path, "data=fake_images", f"data.cache_dir={tmp_path}", "augment.scale=[0.5]")
    assert not list(tmp_path.rglob("config.yaml"))


def test_a_model_in_front_of_a_head_or_of_embeddings_gives_what_they_take(planned: Planned, tmp_path: Path) -> None:
    digits = ("data=digits", "+model.num_classes=64")
    assert planned(*digits, "loss=arcface", "head.num_features=64").config.model.settings["num_classes"] == 64
    np.save(tmp_path / "rows.npy", np.eye(10, 64))
    assert planned(*digits, "loss=cosine", f"embeddings={tmp_path / 'rows.npy'}").config.embeddings is not None


def test_a_replicate_decides_the_seed_and_the_splits(planned: Planned) -> None:
    first, third = planned("data=digits", "replicate=0"), planned("data=digits", "replicate=3")
    assert (third.config.replicate, third.config.seed, third.record["data"]["replicate"]) == (3, 3, 3)
    assert (third.config.kind, third.config.unit) == ("replicate", 3)
    assert (first.config.fingerprint, first.path.parent) == (third.config.fingerprint, third.path.parent)
    verify(third)
    tested = [build_source(run.config.data.source).splits["test"].ids.tolist() for run in (first, third)]
    assert {*tested[0]}.isdisjoint(tested[1])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"replicate": 3, "seed": 3}, r"seed=3 and replicate=3: a replicate decides the split and the seed; leave one"),
        (
            {"replicate": "x"},
            r"replicate must be a whole number between 0 and 4294967295, got 'x'; null is allowed too",
        ),
        ({"trial": True}, r"trial=true is one try of a search in a replicate; add replicate=NUMBER, and no seed="),
        ({"data": {**TOY, "replicate": 3}}, r"data\.replicate is decided by the key above it; type replicate=3"),
    ],
)
def test_what_does_not_make_one_replicate_is_refused(planned: Planned, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        resolve(typed(planned(), **changes), loss_of)


def test_no_seed_is_seed_0(planned: Planned) -> None:
    assert resolve(typed(planned(), seed=None), loss_of).seed == 0
    assert planned("seed=null").path == planned().path == planned("seed=0").path


def test_a_pool_that_has_changed_is_refused_for_every_replicate(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned("data=digits", "replicate=3")
    images = Digits().images
    changed = images.take(np.arange(len(images)))
    changed.inputs[1796, 0, 0, 0] += 0.5
    monkeypatch.setattr(Digits, "images", changed)
    with pytest.raises(UserError, match=r"^the data of .*replicate3 have changed since it was planned \(fingerprint"):
        verify(run)


def test_a_replicate_of_ones_own_data_set(planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_points.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    runs = [planned("data=custom", "data.target=own_points.Points", f"replicate={r}") for r in (0, 5)]
    assert runs[0].path.parent == runs[1].path.parent
    drawn = [build_source(run.config.data.source).splits for run in runs]
    assert drawn[0]["test"].ids.tolist() == drawn[1]["test"].ids.tolist()
    assert drawn[0]["val"].ids.tolist() != drawn[1]["val"].ids.tolist()
    verify(runs[1])
    (tmp_path / "own_points.py").write_text(f"{OWN}\nclass Folded(Points):\n    folds = 4\n")
    runs = [planned("data=custom", "data.target=own_points.Folded", f"replicate={r}") for r in range(4)]
    drawn = [build_source(run.config.data.source).splits for run in runs]
    assert len({name for splits in drawn for name in splits["test"].ids.tolist()}) == 80
    assert [[len(splits[name]) for name in ("train", "val", "test")] for splits in drawn] == [[40, 20, 20]] * 4


OWN = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from lossbench.data.source import Source, Split

@dataclass(frozen=True)
class Points(Source):
    class_names: ClassVar = ("left", "right")
    input_shape: ClassVar = (2,)

    def load(self):
        rng = np.random.default_rng(0)
        sizes = {"train": 40, "val": 20, "test": 20}
        return {name: self.part(name, rng.normal(size=(n, 2))) for name, n in sizes.items()}

    def part(self, name, points):
        ids = np.array([f"{name}-{k}" for k in range(len(points))])
        return Split(points.astype(np.float32), (points[:, 0] > 0).astype(np.int64), ids)
"""
