"""lossbench.train and compare: the runs of the command, errors as exceptions, nothing left behind in the process."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import plan_run
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.version import VersionBase
from made_runs import make_arm, make_run
from typed import command

import lossbench
from lossbench.job.rank_failures import ATTEMPT
from lossbench.job.start import start
from lossbench.rundir.directory import RunDirectory

SMALL = ("data.images_per_class=5", "trainer.max_epochs=2", "logger=none", "trainer=cpu")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSBENCH_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """What belongs to the whole process is as it was, after a run as after an error."""

    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
        hydra = (GlobalHydra.instance().hydra, VersionBase.instance().version_base)
        environment = {name: value for name, value in os.environ.items() if name.startswith(("LOSSBENCH", "HYDRA"))}
        return handlers, hydra, environment, list(logging.getLogger().handlers), threading.active_count()

    GlobalHydra.instance()
    os.environ.pop(ATTEMPT, None)  # of a run that another test started in this process
    before = state()
    yield
    environment = {name: value for name, value in state()[2].items() if name != "LOSSBENCH_RUNS"}  # type: ignore
    wanted = {name: value for name, value in before[2].items() if name != "LOSSBENCH_RUNS"}  # type: ignore
    assert environment == wanted
    assert (*state()[:2], *state()[3:]) == (*before[:2], *before[3:])


def test_training_gives_the_run_of_the_command(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = lossbench.train("cosine_xent", "digits", seed=1, study="mine", overrides=SMALL)
    printed = capfd.readouterr().out.splitlines()
    assert printed[0] == f"run directory: {run.directory.path}"
    assert printed[-1].startswith("notice: data.batch_size=64 is more than the 50 training examples")
    assert run.directory.path.parent.parent == runs / "mine"
    assert run.config["seed"] == 1
    assert run.result is not None
    assert run.evaluate("test")["accuracy"].value == pytest.approx(run.result.metrics["test/accuracy"], abs=1e-6)
    typed = run.directory.status["command"]
    assert typed[0] == "lossbench"
    again = command("-m", *typed, runs=runs)
    assert "this run is done already" in again.stdout
    assert f"everything is in {run.directory.path}\n" in again.stdout


def test_a_replicate_is_a_keyword_and_is_measured_on_its_own_split(runs: Path) -> None:
    quick = ("trainer.max_epochs=1", "logger=none")
    run = lossbench.train("power", "digits", replicate=3, overrides=quick)
    assert run.result is not None
    assert (run.directory.path.name, run.result.replicate, run.result.seed) == ("replicate3", 3, 3)
    again = lossbench.load(run.directory.path).evaluate("test")["accuracy"].value
    assert again == pytest.approx(run.result.metrics["test/accuracy"])
    with pytest.raises(
        lossbench.UserError, match=r"^seed=1 and replicate=3: a replicate decides the split and the seed"
    ):
        lossbench.train("power", "digits", replicate=3, seed=1, overrides=quick)


def test_a_done_run_is_loaded_and_a_forced_one_is_trained_anew(runs: Path) -> None:
    first = lossbench.train("power", "digits", overrides=SMALL)
    modified = first.directory.result_path.stat().st_mtime_ns
    again = lossbench.train("power", data="digits", overrides=SMALL)
    assert again.directory == first.directory
    assert again.directory.result_path.stat().st_mtime_ns == modified
    forced = lossbench.train("power", "digits", force=True, overrides=SMALL)
    assert forced.directory == first.directory
    assert forced.directory.result_path.stat().st_mtime_ns > modified
    assert len(list((runs / ".archive").rglob("result.json"))) == 1


def test_an_interrupted_run_goes_on(runs: Path) -> None:
    interrupted = plan_run(runs, "loss=power", "data=digits", *SMALL)
    start(interrupted)
    interrupted.result_path.unlink()
    before = RunDirectory(interrupted.path).checkpoint("last").stat().st_mtime_ns
    run = lossbench.train("power", "digits", overrides=SMALL)
    assert run.directory == interrupted
    assert run.result is not None
    assert run.result.resumed_at == run.result.steps > 0
    assert run.directory.checkpoint("last").stat().st_mtime_ns == before


@pytest.mark.slow
def test_interrupting_the_kernel_saves_and_the_same_call_goes_on(runs: Path) -> None:
    def interrupt() -> None:
        while not any(path.stat().st_size > 2000 for path in runs.rglob("metrics.csv")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have it ignored
    words = ("trainer.max_epochs=60", "logger=tensorboard", "trainer=cpu", "data.images_per_class=50")
    presses = threading.Thread(target=interrupt)
    try:
        presses.start()
        with pytest.raises(KeyboardInterrupt, match=r"stopped at step \d+ of \d+ \(SIGINT\); the same command goes on"):
            lossbench.train("power", "digits", overrides=words)
        presses.join()
    finally:
        signal.signal(signal.SIGINT, before)
    run = lossbench.train("power", "digits", overrides=words)
    assert run.result is not None
    assert run.result.resumed_at > 0


def test_weights_that_would_be_deleted_are_refused_before_training(runs: Path) -> None:
    with pytest.raises(lossbench.UserError, match=r"^keep_checkpoints=none deletes the tested weights, which"):
        lossbench.train(keep_checkpoints="none")
    assert not list(runs.rglob("checkpoints"))


@pytest.mark.parametrize(
    ("call", "mention"),
    [
        (lambda: lossbench.train("cosin"), "loss=cosin does not exist; did you mean cosine?"),
        (lambda: lossbench.train(overrides=["loss.alpha=3"]), "loss.alpha must be > 0 and at most 2, got 3"),
        (lambda: lossbench.train("power", overrides=["loss.w=1"]), "loss.w does not exist; Available: name, q"),
        (lambda: lossbench.train(sed=1), "sed does not exist; did you mean seed?"),
        (lambda: lossbench.train(seed={"a": 1}), "{'a': 1} cannot be a setting"),
        (lambda: lossbench.train(overrides=["loss"]), "'loss' is no setting; write loss=VALUE"),
        (lambda: lossbench.train(config_dir="nowhere"), "--config-dir nowhere does not exist"),
        (lambda: lossbench.train(overrides=["loss.alpha=${nope}"]), "nope"),
        (lambda: lossbench.load("nowhere"), "nowhere"),
        (lambda: lossbench.compare("nowhere"), "nowhere does not exist; name run directories"),
    ],
)
def test_a_mistake_is_an_exception_of_one_line(
    runs: Path, call: Callable[[], object], mention: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(lossbench.UserError) as raised:
        call()
    assert mention in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")
    assert not runs.exists()


def test_a_loss_that_exits_does_not_end_the_process(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text(
        "import sys\nfrom lossbench.losses.base import Loss\n\n\nclass Leaving(Loss):\n"
        "    def per_example(self, output, target):\n"
        "        return output.exp().sum(1) if len(output) <= 50 else sys.exit(3)\n"  # 50 in training
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lossbench.UserError, match=r"seed0 failed: called sys\.exit\(3\)"):
        lossbench.train("custom", "digits", overrides=["loss.target=leaving.Leaving", *SMALL])
    assert lossbench.train("power", "digits", overrides=SMALL).result is not None


def test_settings_are_python_values(runs: Path, tmp_path: Path) -> None:
    own = tmp_path / "it's mine"
    (own / "loss").mkdir(parents=True)
    (own / "loss" / "soft.yaml").write_text("name: soft\n_target_: lossbench.losses.Power\nq: 0.3\n")
    settings = {"data.images_per_class": 5, "trainer.max_epochs": 1, "logger": "none", "yardsticks": ["power", "soft"]}
    run = lossbench.train("soft", "digits", config_dir=own, runs_dir=tmp_path / "a, b", embeddings=None, **settings)
    assert run.directory.path.is_relative_to(tmp_path / "a, b")
    assert run.result is not None
    assert {"test/power", "test/soft"} <= run.result.metrics.keys()


def test_training_works_in_a_thread_and_inside_anothers_hydra(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VersionBase.instance(), "version_base", None)  # the other's, which this test sets
    (tmp_path / "theirs.yaml").write_text("answer: 42\n")
    losses: dict[str, float] = {}

    def train(loss: str) -> None:
        result = lossbench.train(loss, "digits", overrides=SMALL).result
        assert result is not None
        losses[loss] = result.metrics["test/accuracy"]

    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        threads = [threading.Thread(target=train, args=(loss,)) for loss in ("power", "cosine")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert compose("theirs")["answer"] == 42
    assert losses.keys() == {"power", "cosine"}
    alone = lossbench.train("power", "digits", force=True, overrides=SMALL).result
    assert alone is not None
    assert alone.metrics["test/accuracy"] == losses["power"]


# -- comparing


@pytest.fixture
def study(tmp_path: Path) -> Path:
    right = [k % 9 > 0 for k in range(40)]
    base = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.85]
    make_arm(tmp_path / "study", "cross_entropy", base, right=right)
    make_arm(tmp_path / "study", "power", [score + 0.02 for score in base], right=right[::-1])
    return tmp_path / "study"


def test_a_comparison_is_that_of_the_report(study: Path, tmp_path: Path) -> None:
    comparison = lossbench.compare([study], margin=0.005)
    assert comparison.verdicts == {"power": "better"}
    rows = {row["loss"]: row for row in comparison.rows}
    assert rows["cross_entropy"]["baseline"] is True
    assert rows["power"]["mean"] - rows["cross_entropy"]["mean"] == pytest.approx(0.02)
    assert not (study / "reports").exists()
    printed = command("-m", "lossbench", "report", str(study), "--margin", "0.005", runs=tmp_path).stdout
    assert repr(comparison) == printed.partition("\n\nreport: ")[0].removeprefix("\n")
    assert {"forest", "seeds"} <= comparison.figures().keys()


def test_runs_folders_and_loaded_runs_are_compared(study: Path, runs: Path) -> None:
    single = next(study.glob("*-power-*/seed3"))
    assert [row["n"] for row in lossbench.compare(single, baseline="power").rows] == [1]
    assert len(lossbench.compare([str(path) for path in study.glob("*/seed*")]).rows) == 2
    trained = [lossbench.train(loss, "digits", overrides=SMALL) for loss in ("cross_entropy", "power")]
    assert lossbench.compare(trained).verdicts == {"power": "undecided"}


def test_a_notebook_shows_the_table_with_everything_escaped(study: Path) -> None:
    make_run(study, "<b>bold</b>", 3)
    shown = lossbench.compare(study)._repr_html_()
    assert shown.count("<tr>") == 4
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "<b>bold" not in shown
    assert "<th>diverged (or collapsed)</th>" in shown
    assert "too few seeds" in shown.lower()


def test_runs_of_two_models_are_two_comparisons(study: Path) -> None:
    make_run(study, "power", settings={"model.name": "linear"})
    with pytest.raises(
        lossbench.UserError, match=r"2 comparisons, .* one at a time: linear \(1 runs\); mlp \(14 runs\)"
    ):
        lossbench.compare(study)
