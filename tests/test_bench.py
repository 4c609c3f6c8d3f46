"""scripts/bench.py: what a figure means and where it goes, without timing anything."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from benchmarks import images, losses, overhead, processes, read, runs, train, tuned
from benchmarks import input as pipeline
from benchmarks.figure import Figure, compare
from made_runs import make_arm
from photos import save_photo

from lossbench.atlas.catalog import registered
from lossbench.config.composition import conf_folder
from lossbench.errors import UserError
from lossbench.report.records import find_runs
from lossbench.rundir.directory import RunDirectory
from scripts import bench, bench_gpu
from scripts.simulate_runs import simulate


@pytest.mark.parametrize(("cost", "ratio"), [(True, 2.0), (False, 0.5)])
def test_a_ratio_above_one_is_always_better(cost: bool, ratio: float) -> None:
    figure = compare("f", "us", lambda: 5.0, lambda: 10.0, 3, cost=cost)
    assert (figure.ours, figure.reference, figure.ratio, figure.n) == (5.0, 10.0, ratio, 3)
    assert figure.quartiles == (ratio, ratio)


def test_both_are_measured_alternately_and_compared_with_their_neighbour() -> None:
    calls: list[str] = []

    def times(name: str, values: list[float]) -> Iterator[float]:
        for value in values:
            calls.append(name)
            yield value

    # the machine becomes four times slower half way: neighbours still agree, and one outlier does not count
    ours, reference = times("ours", [1, 1, 4, 4, 400]), times("reference", [2, 2, 8, 8, 8])
    figure = compare("f", "us", lambda: next(ours), lambda: next(reference), 5, cost=True)
    assert calls == ["ours", "reference"] * 5
    assert figure.ratio == 2
    assert figure.quartiles[0] <= figure.ratio <= figure.quartiles[1]
    assert (figure.ours, figure.reference) == (4, 8)


def test_the_table_and_the_json_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = [
        Figure("losses.a", "us", 5.0, 10.0, 2.0, (1.9, 2.1), 40),
        Figure("losses.b", "us", 8.0, 4.0, 0.5, (0.4, 0.6), 40),
    ]
    monkeypatch.setattr(losses, "figures", lambda given: figures)
    monkeypatch.setattr("sys.argv", ["bench.py", "losses", "--json", str(tmp_path / "out.json")])
    bench.main()
    written = json.loads((tmp_path / "out.json").read_text())
    assert written == {
        "losses.a": {"ours": 5.0, "reference": 10.0, "ratio": 2.0},
        "losses.b": {"ours": 8.0, "reference": 4.0, "ratio": 0.5},
    }
    head, first, second = capsys.readouterr().out.splitlines()
    assert [column for column in ("figure", "ours", "reference", "ratio", "n") if column not in head.split()] == []
    assert first.split() == ["losses.a", "us", "5", "10", "2.00", "1.90", "..", "2.10", "40"]
    assert second.split()[0] == "losses.b"


@pytest.mark.parametrize("words", [["nothing"], ["losses", "--json", "/nonexistent/out.json"], []])
def test_a_mistake_measures_nothing(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "figures", lambda given: pytest.fail("measured"))
    monkeypatch.setattr("sys.argv", ["bench.py", *words])
    with pytest.raises(SystemExit, match="2"):
        bench.main()


def test_the_input_figures_come_from_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(52):
        save_photo(tmp_path / "photos" / f"class{i % 3}" / f"{i}.jpg", i)
    monkeypatch.setattr(
        pipeline, "compare", lambda name, unit, ours, theirs, n, *, cost: (name, unit, ours() > 0, theirs() > 0, cost)
    )
    figures = pipeline.figures(Namespace(data=tmp_path / "photos"))
    assert figures == [("input.none", "images/s", True, True, False), ("input.disk", "images/s", True, True, False)]
    with pytest.raises(UserError, match=r"--data None must be a folder of class folders"):
        pipeline.figures(Namespace(data=None))


def test_the_training_figures_need_a_gpu_or_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"this machine has none; --tiny runs the same code on a CPU"):
        train.figures(Namespace(tiny=False))


@pytest.mark.slow
def test_the_training_figures_time_an_ordinary_run(tmp_path: Path) -> None:
    assert images.image_fit(tmp_path, "disk", tiny=True) > 0
    assert images.bare_loop(tiny=True) > 0
    (config,) = tmp_path.rglob("config.yaml")
    text = config.read_text()
    assert "weight_decay: 0.0001" in text
    assert "channels_last: true" in text


def test_the_real_toy_run_is_what_the_step_figure_times(tmp_path: Path) -> None:
    assert runs.toy_fit(tmp_path, epochs=1, steps=500) > 0
    (config,) = tmp_path.rglob("config.yaml")
    assert "CosineProb" in config.read_text()
    assert list(config.parent.glob("tensorboard/events.*"))
    rows = (config.parent / "metrics.csv").read_text().splitlines()
    assert sum(",train/loss," in row for row in rows) == 50


@pytest.mark.slow
def test_every_loss_of_classes_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(
        name: str, unit: str, ours: Callable[[], float], reference: Callable[[], float], n: int, *, cost: bool
    ) -> Figure:
        assert ours() > 0
        return Figure(name, unit, 1.0, 1.0, 1.0, (1.0, 1.0), n)

    monkeypatch.setattr(losses, "compare", once)
    threads = torch.get_num_threads()
    names = {figure.name for figure in losses.figures(Namespace())}
    torch.set_num_threads(threads)
    known = registered(conf_folder() / "loss")
    assert names == {f"losses.{name}" for name, entry in known.items() if "classification" in entry.tasks}
    assert len(names) >= 25


@pytest.mark.slow
@pytest.mark.parametrize(("part", "lines"), [("images", 4), ("stacks", 9), ("features", 2)])
def test_the_figures_of_a_gpu_are_measured_on_ordinary_runs(
    part: str, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_gpu, "SECONDS", 0.05)
    monkeypatch.setattr(bench_gpu, "find_spec", lambda name: None)
    bench_gpu.measure(part, tiny=True)
    printed = [line for line in capsys.readouterr().out.splitlines() if "/s" in line and ": " in line]
    assert len(printed) == lines


@pytest.mark.slow
def test_a_tuned_sweep_is_timed_as_it_is_typed() -> None:
    (figure,) = tuned.figures(Namespace(tiny=True))
    assert figure.name == "tuned.training"
    assert 0 < figure.reference < figure.ours
    assert figure.ratio == figure.reference / figure.ours


@pytest.mark.slow
def test_processes_and_one_after_another_train_the_same_runs() -> None:
    (figure,) = processes.figures(Namespace(tiny=True))
    assert (figure.name, figure.n) == ("processes", 3)
    assert min(figure.ours, figure.reference) > 0


@pytest.mark.slow
def test_reading_is_timed_against_a_bare_loop_over_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(study: Path, runs: int, arms: int) -> int:
        return sum(len(make_arm(study, loss, [0.8, 0.9, 0.7])) for loss in ("cross_entropy", "power"))

    monkeypatch.setattr(read, "simulate", made)
    status, report = read.figures(Namespace(tiny=True))
    assert (status.name, report.name) == ("read.status", "read.report")
    assert 0 < status.ours < report.ours


@pytest.mark.slow
def test_simulated_runs_are_those_that_a_sweep_would_find_done(tmp_path: Path) -> None:
    study = tmp_path / "study"
    assert simulate(study, 35, 5) == read.load_all(study) == 35
    for path in find_runs([study]):
        run = RunDirectory(path)
        run.verify()
        assert (result := run.result()) is not None
        assert {f"seed{result.seed}", f"seed{result.params['seed']}", f"seed{run.config.seed}"} == {path.name}


def test_overhead_adds_up_to_the_whole_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "TOY", (*overhead.TOY, "trainer.max_steps=4"))
    seconds = overhead._seconds(2, vectorized=True)
    assert seconds["all"] == seconds["plan"] + seconds["write"]
    assert min(seconds.values()) > 0
    (*_, figure) = overhead._compared("overhead", [seconds, seconds], 2)
    assert (figure.name, figure.ours) == ("overhead.all", pytest.approx(500 * seconds["all"]))
    assert figure.ratio == pytest.approx(seconds["train"] / seconds["all"])
