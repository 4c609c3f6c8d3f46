"""Which features a loss leaves behind: a linear probe on the penultimate layer of trained runs, on other data.

lossbench transfer DIR ... data=NAME [data.KEY=VALUE ...] [replicate=3] [--checkpoint best]

DIR is a run directory or any folder of them, e.g. runs/default. A replicate's run is probed on the same replicate of
the other data, unless replicate= says another. What a run has answered already is not computed again; lossbench report
DIR --transfer then judges the losses by it.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lossbench.cli.parser import Parser, as_path, require_data
from lossbench.config.facts import Cache
from lossbench.config.schema import REPLICATE
from lossbench.config.sections import Data
from lossbench.config.weights_files import sha256
from lossbench.errors import UserError
from lossbench.escaping import in_line
from lossbench.report.comparable import without_trials
from lossbench.report.records import Record, find_runs, read_records, split_done
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.transferred import OWN_REPLICATE, Question, Transferred, read_answer

if TYPE_CHECKING:
    from lossbench.data.module import DataModule

SETTING = r"[+~]{0,2}\w[\w.]*="


class Asked(NamedTuple):
    """A run, what is asked of it, and the other data of its draw."""

    run: RunDirectory
    question: Question
    data: Data


class OtherData:
    """The data that overrides name, as each run sees them; what several runs share is read once.

    Args:
        overrides: data=NAME, its settings and replicate=NUMBER.
        config_dir: a folder of the user's own YAML files.
    """

    def __init__(self, overrides: Sequence[str], config_dir: Path | None) -> None:
        self.overrides, self.config_dir, self.cache = overrides, config_dir, Cache()
        self.replicate_typed = any(word.startswith("replicate=") for word in overrides)
        self._composed: dict[str, Data] = {}

    def asked(self, run: RunDirectory, checkpoint: str | None) -> Asked:
        """Say what is asked of a run.

        Raises:
            UserError: there is no such data set, or a setting has a wrong value.
        """
        record = run.record
        data = self._data(record["data"], record.get(REPLICATE))
        settings = dict(data.source.record)
        drawn = settings.pop(REPLICATE, None)
        replicate = drawn if self.replicate_typed or drawn is None else OWN_REPLICATE
        fingerprint = self.cache.fingerprint(data.source)
        return Asked(run, Question(settings, fingerprint, replicate, checkpoint or run.config.evaluate), data)

    def module(self, data: Data) -> "DataModule":
        """Give the data to a network; needs torch."""
        from lossbench.data.module import DataModule

        loader = {"num_workers": data.num_workers, "cache": "none" if data.cache == "gpu" else data.cache}
        return DataModule(self.cache.source(data.source), seed=0, batch_size=data.batch_size, **loader)

    def _data(self, own: Mapping[str, Any], replicate: int | None) -> Data:
        """Compose the data; images are seen as the run has seen its own, where nothing else is typed."""
        from lossbench.config.composition import composed_data
        from lossbench.config.preprocessing import seen_in

        seen = seen_in(own)
        words = [*self.overrides]
        if replicate is not None and not self.replicate_typed:
            words.append(f"replicate={replicate}")
        key = f"{sorted(seen.items())} {words}"
        if key not in self._composed:
            self._composed[key] = composed_data(words, self.config_dir, seen)
        return self._composed[key]


def main(words: Sequence[str] | None = None) -> None:
    """Probe the features of some runs on other data, and print what each gives."""
    given = _parser().parse_intermixed_args(words)
    overrides = [word for word in given.words if re.match(SETTING, word)]
    folders = [_folder(word) for word in given.words if not re.match(SETTING, word)]
    require_data(overrides, "lossbench transfer")
    if not any(word.startswith("data=") for word in overrides):
        raise UserError("name the other data, such as lossbench transfer RUN_DIR data=digits")
    if not folders:
        raise UserError("name run directories, or folders of them such as runs/default")
    runs, left_out = _runs_in(folders)
    other = OtherData(overrides, given.config_dir)
    known = 0
    for run in runs:
        known += _ask(other.asked(run, given.checkpoint), other)
    print(_summary(len(runs) - known, known, left_out, folders))


def _parser() -> Parser:
    parser = Parser("transfer", __doc__)
    parser.add_argument(
        "words", nargs="*", metavar="DIR | data=NAME", help="runs, and the other data with its settings"
    )
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that each run tested")
    parser.add_argument("--config-dir", type=as_path, help="a folder of your own YAML files")
    return parser


def _folder(typed: str) -> Path:
    try:
        return as_path(typed)
    except ArgumentTypeError as error:
        raise UserError(f"a run directory, or a folder of them: {error}") from error


def _runs_in(folders: Sequence[Path]) -> tuple[list[RunDirectory], list[Record]]:
    """The runs that are done, and those that are not; trials are left out, which a line says."""
    done, missing = split_done(without_trials(read_records(find_runs(folders))))
    if not done:
        states = ", ".join(sorted({record.state for record in missing}))
        raise UserError(f"none of the {len(missing)} runs in {', '.join(map(str, folders))} is done ({states})")
    return [RunDirectory(record.path) for record in done], missing


def _ask(asked: Asked, other: OtherData) -> bool:
    """Answer a question about one run and print the answer; say whether it was there already."""
    run, question, data = asked
    checkpoint = run.checkpoint(question.checkpoint)
    if not checkpoint.exists():
        raise UserError(
            f"{checkpoint} does not exist: keep_checkpoints= did not keep it; name the other one with --checkpoint, or "
            "run it again"
        )
    weights = sha256(checkpoint)
    answer = read_answer(question, run.path, weights)
    if answer is None:
        import lossbench  # torch takes seconds to import
        from lossbench.transfer.measure import measure_transfer

        loaded = lossbench.load(run.path, question.checkpoint)
        _print(run, measure_transfer(loaded, other.module(data), question, weights))
        return False
    _print(run, answer)
    return True


def _print(run: RunDirectory, answer: Transferred) -> None:
    """One line of a run, and a warning where its score means less."""
    accuracy, width = answer.metrics["test/accuracy"], answer.half_width_95["test/accuracy"]
    score = "the features are not finite" if accuracy is None else f"accuracy {100 * accuracy:.2f} %"
    interval = "" if width is None else f" ± {100 * width:.2f}"
    separation = ", ".join(
        f"{100 * value:.1f} % {where}" for where, value in answer.class_separation.items() if value is not None
    )
    apart = f"; class separation {separation}" if separation else ""
    print(in_line(f"{run.path}: {answer.data}, n = {answer.n['test']}: {score}{interval}{apart}"), flush=True)
    if answer.trained_on:
        print(f"  warning: the run was trained on {answer.trained_on} of these {answer.n['test']} examples")
    if answer.probe.get("at_edge"):
        print(f"  warning: the best weight decay, {answer.probe['weight_decay']:g}, is the last one that was tried")


def _summary(new: int, known: int, left_out: Iterable[Record], folders: Sequence[Path]) -> str:
    missing = len([*left_out])
    parts = [f"{new} probed", *([f"{known} known already"] if known else [])]
    parts += [f"{missing} left out, which are not done"] if missing else []
    where = " ".join(map(str, folders))
    return in_line(f"{', '.join(parts)}; lossbench report {where} --transfer judges the losses by it")
