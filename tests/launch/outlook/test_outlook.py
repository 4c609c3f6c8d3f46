"""What plan=true says of a command, and what a sweep that decides nothing says at its start."""

import os
import re
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, plan_run
from made_runs import make_arm, make_run
from typed import command

from lossbench.config.facts import Cache
from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.comparisons import PlannedComparison, planned_comparisons
from lossbench.launch.outlook.decide import outlook_of, warning_of, words_of
from lossbench.launch.outlook.disk import disk_of, in_bytes
from lossbench.launch.outlook.earlier import earlier_runs
from lossbench.launch.outlook.runs import SizeOf
from lossbench.launch.outlook.runtime import PLANNED_SECONDS, WRITTEN_SECONDS, runtime_of
from lossbench.launch.outlook.runtime import words_of as time_words
from lossbench.launch.outlook.way import Way
from lossbench.report.looks import History, Question, Seen
from lossbench.report.records import Record, find_runs, read_record
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.flatten import flatten
from lossbench.training.timing import Timed

TRAIN = str(ROOT / "train.py")
DIGITS = ("data=digits", "trainer=cpu", "logger=none")


def configs(folder: Path, losses: tuple[str, ...], units: int, *words: str, key: str = "seed") -> list[RunConfig]:
    return [
        plan_run(folder, *DIGITS, f"loss={loss}", f"{key}={k}", *words).config for loss in losses for k in range(units)
    ]


def comparison(folder: Path, units: int, margin: float | None = None, key: str = "seed") -> PlannedComparison:
    """Two losses against cross_entropy."""
    runs = configs(folder, ("power", "cross_entropy", "cosine_xent"), units, key=key)
    (found,) = planned_comparisons(runs, SizeOf(Cache()), ComparisonSpec(margin=margin))
    return found


def records_like(config: RunConfig, study: Path, *, stacked: int | None = None, seconds: float = 48.0) -> list[Record]:
    """Three earlier runs of a configuration on this machine, of 480 steps."""
    params = {key: value for key, value in flatten(config.record).items() if key not in ("seed", "study")}
    facts = {"seconds": seconds, "steps": 480, **({"stacked_runs": stacked} if stacked else {})}
    status = {"host": socket.gethostname()}
    made = [make_run(study, config.loss.name, k, settings=params, result=facts, status=status) for k in range(3)]
    return [read_record(path) for path in made]


def test_plan_counts_runs_and_says_the_question_and_writes_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    words = ("-m", *DIGITS, "loss=cosine_prob", "loss.alpha=0.5,3", "seed=0,1", "plan=true")
    done = command(TRAIN, *words, runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert lines["4 runs"] == "0 done already, 2 to do, 2 invalid"
    assert lines["comparison"].startswith("none; the runs have no cross_entropy")
    assert "from one timed update" in lines["time"]
    assert re.match(r"about \S+ .B \(predictions \S+ .B, checkpoints \S+ .B, records \S+ .B a run\)", lines["disk"])
    assert not runs.exists()
    alone = command(TRAIN, *DIGITS, "plan=true", runs=runs)
    sizes = "digits, 10 classes, 1,079 train / 359 val / 359 test examples, 104 to 110 training examples a class"
    assert lines["data"] == sizes
    assert alone.stdout.startswith(f"1 run: 0 done already, 1 to do\ndata: {sizes}\ntime: about ")
    assert alone.stdout.endswith("the same command without plan=true does it\n")
    assert (alone.returncode, runs.exists()) == (0, False)


def test_plan_submits_nothing_to_a_cluster_and_a_done_run_is_counted(tmp_path: Path) -> None:
    tools, calls = tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    for name in ("sbatch", "squeue", "scontrol", "scancel"):
        (tools / name).write_text(f"#!/bin/sh\necho {name} >> {calls}\n")
        (tools / name).chmod(0o755)
    env = {"PATH": f"{tools}:{os.environ['PATH']}"}
    made = command(TRAIN, *DIGITS, "loss=cross_entropy", "trainer.max_steps=4", runs=tmp_path / "runs")
    assert made.returncode == 0
    before = sorted((tmp_path / "runs").rglob("*"))
    words = ("-m", *DIGITS, "loss=cross_entropy,power", "trainer.max_steps=4", "seed=0,1", "plan=true")
    done = command(TRAIN, *words, "hydra/launcher=slurm", runs=tmp_path / "runs", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 runs: 1 done already, 3 to do\n")
    assert "the cluster decides how many run at a time; from 1 earlier run of" in done.stdout
    assert "question: test/accuracy against cross_entropy, margin 1.00 points, 2 seeds\n" in done.stdout
    assert "family: 1 comparison: power\n" in done.stdout
    assert not calls.exists()
    assert sorted((tmp_path / "runs").rglob("*")) == before
    forced = command(TRAIN, *words, "force=true", runs=tmp_path / "runs")
    assert "4 runs: 0 done already, 4 to do\nforce=true: what is done already would be archived" in forced.stdout


def test_a_sweep_that_can_decide_nothing_says_so_at_its_start(tmp_path: Path) -> None:
    words = ("-m", "data=toy", "trainer=cpu", "loss=cross_entropy,power", "trainer.max_steps=2", "logger=none")
    done = command(TRAIN, *words, "seed=0,1", runs=tmp_path)
    first, data, second = done.stdout.splitlines()[:3]
    assert first == "4 runs: 0 done already, 4 to run"
    assert data.startswith("data: toy, 5 classes, ")
    assert done.stdout.count("data: toy") == 1
    assert second == "this sweep can decide nothing: it compares 2 seeds, and 6 seeds are the least"


def test_earlier_runs_on_this_machine_say_how_long_and_a_timed_update_where_there_are_none(tmp_path: Path) -> None:
    runs, sizes = configs(tmp_path / "planned", ("cross_entropy", "power"), 2, "trainer.max_epochs=60"), SizeOf(Cache())
    assert sizes(runs[0]).steps == 960
    earlier = records_like(runs[0], tmp_path / "study")
    two = Way("2 at a time", 2, starts=6.0)
    # 0.1 s for each of 960 updates
    assert runtime_of(runs, sizes, earlier, two).seconds == pytest.approx(4 * (96 + 6) / 2)
    stack = Way(group=lambda config: "all", time_stack=lambda configs: 7.0 * len(configs))
    stacked = records_like(runs[0], tmp_path / "stacked", stacked=4, seconds=0.48)
    found = runtime_of(runs, sizes, [*earlier, *stacked], stack)
    beside = 4 * (PLANNED_SECONDS + WRITTEN_SECONDS)
    assert found.seconds == pytest.approx(4 * 960 * 0.001 + beside)
    assert time_words(found, 4, stack) == (
        "about 4 s, 4 stacked in 1 stack; from 3 earlier runs of these settings on this machine"
    )
    assert runtime_of(runs, sizes, earlier, stack).seconds == pytest.approx(28.0 + beside)
    cluster = Way("the cluster decides", None, 6.0, stack.group, stack.time_stack, lambda runs: [3, runs - 3])
    tasks = runtime_of(runs, sizes, earlier, cluster)
    assert tasks.seconds == pytest.approx(28.0 + beside + 2 * 6)
    assert time_words(tasks, 4, cluster).startswith(
        "about 40 s, 20 s each, 4 runs in 2 tasks of at most 3, the cluster decides; "
    )
    trials = [
        Record(each.path, each.status, replace(each.done_result, params={**each.params, "trial": True}))
        for each in stacked
    ]
    assert runtime_of(runs, sizes, trials, stack).seconds == pytest.approx(28.0 + beside)  # they measure less
    elsewhere = [Record(each.path, {"host": "far"}, each.result) for each in earlier]
    timed = runtime_of(runs, sizes, elsewhere, Way())
    assert len(timed.timed) == 1
    assert "from one timed update, a rough figure" in time_words(timed, 4, Way())
    other = configs(tmp_path / "planned", ("power",), 1, "model.hidden=[8]", "trainer.max_steps=4")
    assert runtime_of(other, sizes, earlier, Way()).timed


def test_features_that_are_missing_are_counted_once_for_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("data=fake_images", "model=linear_probe", "model.backbone.pretrained=false", "trainer=cpu", "logger=none")
    runs = [plan_run(tmp_path, *words, f"replicate={r}").config for r in range(3)]
    seconds: list[float] = []
    for once in (0.0, 50.0):
        timed = Timed(update=0.001, example=0.0, once=once, parameters=1, slots=0, outputs=1)
        monkeypatch.setattr("lossbench.training.timing.time_run", lambda config, timed=timed: timed)
        for way in (Way(), Way(group=lambda config: "all")):
            seconds.append(runtime_of(runs, SizeOf(Cache()), [], way).seconds)
    assert seconds[2:] == pytest.approx([50 + each for each in seconds[:2]])


def test_the_timed_update_and_the_estimated_files_are_near_to_what_a_run_takes(
    tmp_path: Path,
) -> None:
    from lossbench.job.start import bring_to_result
    from lossbench.training.timing import time_run

    run = plan_run(tmp_path, *DIGITS[:2], "logger=tensorboard", "loss=cross_entropy", "trainer.max_epochs=4")
    timed = time_run(run.config)
    assert timed.parameters == 64 * 128 + 128 + 128 * 10 + 10
    assert (timed.slots, timed.outputs) == (2, 10)
    assert 0 < timed.example < timed.update < 1
    guess = disk_of(run.config, SizeOf(Cache())(run.config), [], lambda: timed)
    bring_to_result(run)
    found = disk_of(run.config, SizeOf(Cache())(run.config), [read_record(run.path)], lambda: timed)
    for name, size in found.items():
        assert 0.4 < guess[name] / size < 2.5, (name, guess, found)
    assert found["predictions"] == run.predictions_path.stat().st_size
    assert in_bytes(found["checkpoints"]).endswith(" kB")


def test_too_few_units_decide_nothing_and_more_decide_more(tmp_path: Path) -> None:
    few = comparison(tmp_path, 2)
    assert (few.units, few.others, few.question()) == (
        2, ["power", "cosine_xent"], "test/accuracy against cross_entropy, margin 1.00 points, 2 seeds",
    )  # fmt: skip
    assert words_of(few, outlook_of(few, [])) == "nothing: 2 seeds can decide nothing, 6 are the least"
    outlooks = [outlook_of(comparison(tmp_path, 7, margin), []) for margin in (0.005, 0.02, 0.04)]
    assert [each.equivalent for each in outlooks] == sorted(each.equivalent or 0 for each in outlooks)
    assert outlooks[-1].needed == 7
    assert outlooks[0].needed is None
    assert "assumed: losses differ on 3 % of 359 test examples" in words_of(comparison(tmp_path, 7), outlooks[0])
    whole = comparison(tmp_path, 7, key="replicate")
    assert whole.counted_units() == "7 replicates"
    assert whole.sizes.tested(7) == 1797


def test_the_spread_of_earlier_comparisons_on_the_same_data_counts(tmp_path: Path) -> None:
    plan = comparison(tmp_path, 8)
    rng = np.random.default_rng(0)
    fingerprint = plan.config.fingerprint

    def earlier(name: str, noise: float, fingerprint: str = fingerprint) -> list[Record]:
        study, level = tmp_path / name / "study", 0.9 + 0.001 * np.arange(8)
        facts = {"fingerprint": fingerprint}
        paths = make_arm(study, "cross_entropy", level.tolist(), result=facts)
        paths += make_arm(study, "power", (level + noise * rng.standard_normal(8)).tolist(), result=facts)
        return [read_record(path) for path in paths]

    sure, unsure = outlook_of(plan, earlier("quiet", 0.002)), outlook_of(plan, earlier("loud", 0.05))
    assert sure.basis == "from the spread of 1 earlier comparison on these data"
    assert sure.found > 0.99
    assert warning_of(plan, sure) is None
    line = warning_of(plan, unsure)
    assert line is not None
    assert line.startswith("this sweep will hardly decide anything: a difference of 1.00 points is found in ")
    assert outlook_of(plan, earlier("other", 0.05, "0" * 16)).basis.startswith("assumed")


def test_sweeps_over_models_are_several_comparisons_and_a_loss_alone_is_none(tmp_path: Path) -> None:
    losses = ("cross_entropy", "power")
    both = [run for width in (8, 16) for run in configs(tmp_path, losses, 1, f"model.hidden=[{width}]")]
    rates = configs(tmp_path, losses, 1, "optimizer.lr=0.01")
    found = planned_comparisons([*both, *rates], SizeOf(Cache()), ComparisonSpec())
    assert [each.others for each in found] == [["power"]] * 3
    assert not planned_comparisons(both[1:2], SizeOf(Cache()), ComparisonSpec())
    swept = planned_comparisons([*both[:2], *configs(tmp_path, losses, 1, "model.hidden=[8]", "optimizer.lr=0.01")],
                                SizeOf(Cache()), ComparisonSpec())  # fmt: skip
    assert [(each.baseline, each.others) for each in swept] == [
        ("cross_entropy lr=0.003", ["power lr=0.003", "cross_entropy lr=0.01", "power lr=0.01"])
    ]


def test_earlier_runs_are_found_in_all_studies(tmp_path: Path) -> None:
    config = plan_run(tmp_path / "runs", *DIGITS).config
    for study in ("one", "two"):
        make_run(tmp_path / "runs" / study, "power")
    make_run(tmp_path / "runs" / "three", "power", settings={"model.name": "linear"})
    assert len(earlier_runs(config, tmp_path / "runs")) == 2
    assert not earlier_runs(config, tmp_path / "nowhere")


def test_disk_is_counted_by_what_is_kept(tmp_path: Path) -> None:
    timed = Timed(update=0.1, example=0.1, once=0.0, parameters=1_000_000, slots=1, outputs=10)

    def estimated(*words: str) -> dict[str, float]:
        (config,) = configs(tmp_path / str(len(words)), ("power",), 1, *words)
        return disk_of(config, SizeOf(Cache())(config), [], lambda: timed)

    assert estimated("keep_checkpoints=last")["checkpoints"] == pytest.approx(8e6, rel=0.01)
    assert estimated("keep_checkpoints=none", "save_predictions=false") | {"records": 0} == {
        "checkpoints": 0, "predictions": 0, "records": 0,
    }  # fmt: skip


def test_the_journal_of_the_study_widens_the_family_and_numbers_the_look(tmp_path: Path) -> None:
    plan = comparison(tmp_path, 8, margin=0.02)
    arms = [digest[:16] for digest in plan.digests]
    history = History()
    history.families = [frozenset({arms[0], "f" * 16}), frozenset({arms[0], arms[1]})]
    history.seen = {arms[1]: [Seen(Question("test/accuracy", arms[0], 0.02), "x")]}
    later = plan.after(history)
    assert (later.before, later.corrected_for, later.look) == (1, 3, 2)
    assert later.question().endswith("margin 2.00 points, 8 seeds, look 2 at these runs")
    assert later.family() == "2 comparisons: power, cosine_xent; 1 more were planned before, and count too"
    assert outlook_of(later, []).least == 9  # a second look needs more
    assert warning_of(later, outlook_of(later, [])) == (
        "this sweep can decide nothing: it compares 8 seeds, and 9 seeds are the least"
    )


def test_doses_of_the_data_and_trends_are_one_family(tmp_path: Path) -> None:
    losses = ("power", "cross_entropy", "cosine_xent")
    runs = [run for rate in (0, 0.2) for run in configs(tmp_path, losses, 1, f"data.label_noise={rate}")]
    found = planned_comparisons(runs, SizeOf(Cache()), ComparisonSpec())
    assert [each.corrected_for for each in found] == [6] * 2  # two losses at two doses, and their trends
    words = "2 comparisons: power, cosine_xent; 4 more at other doses of the data, and trends over them, count too"
    assert found[0].family() == words


def test_predictions_of_earlier_runs_tell_examples_from_replicates(tmp_path: Path) -> None:
    plan = comparison(tmp_path, 8, key="replicate")
    facts = {"fingerprint": plan.config.fingerprint}
    rng, study = np.random.default_rng(0), tmp_path / "earlier" / "study"
    base = rng.random(100) < 0.9
    for unit in range(8):
        for loss in ("cross_entropy", "power"):
            right = base ^ (rng.random(100) < 0.02)
            make_run(study, loss, unit, accuracy=right.mean(), right=right.tolist(), result=facts, kind="replicate")
    with_examples = outlook_of(plan, [read_record(path) for path in find_runs([study])])
    for path in study.rglob("predictions.npz"):
        path.unlink()
    without = outlook_of(plan, [read_record(path) for path in find_runs([study])])
    assert with_examples.basis == without.basis == "from the spread of 1 earlier comparison on these data"
    assert with_examples.smallest is not None
    assert without.smallest is not None
    assert with_examples.smallest < without.smallest
