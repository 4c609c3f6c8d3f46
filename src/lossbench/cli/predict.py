"""Classify new examples with a trained run: lossbench predict RUN_DIR FILE ... [--top 3] [--csv FILE] [--json FILE]."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lossbench.cli.parser import Parser, as_path, require_new_file
from lossbench.config.facts import build_source, kind_of
from lossbench.data.images.files import find_images
from lossbench.data.images.subset import SUFFIXES
from lossbench.errors import UserError
from lossbench.escaping import in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_atomic
from lossbench.rundir.finished import finished
from lossbench.trained.predicted import Prediction, as_csv, as_json


def predict(
    run: RunDirectory, paths: Sequence[Path], *, top: int | None = None, checkpoint: str | None = None
) -> list[Prediction]:
    """Classify what files hold; the data that the run was trained on are not needed.

    Probabilities are softmax(scale * logits) with the scale that the run fitted on its validation split; of labels any
    number of which may hold, each has its own, sigmoid(logit).

    Args:
        run: a finished classifier.
        paths: image files or folders of them; of a run on a table a table, on arrays a .npy file.
        top: how many classes to name for each, >= 1; None names the best one, or all labels above 0.5.
        checkpoint: last or best; None takes the weights that were tested.

    Returns:
        One prediction for each example, in their order.

    Raises:
        UserError: the run is not done or does not classify, its checkpoint or a file is missing.
    """
    finished(run)
    from lossbench.trained import new_inputs  # seconds: only now that there is something to do
    from lossbench.trained.predictor import load_predictor

    predictor = load_predictor(run, checkpoint)
    inputs = paths if predictor.sees_images else new_inputs.read_examples(predictor, paths)
    return new_inputs.predict(predictor, inputs, top=top)


def files_in(paths: Iterable[Path]) -> list[Path]:
    """Replace folders by the image files below them.

    Raises:
        UserError: a path does not exist, or a folder has no images.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; name image files or folders of them")
        inside = _inside(path) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} has no images ({', '.join(SUFFIXES)})")
        found += inside
    return found


def _inside(folder: Path) -> list[Path]:
    """The images below a folder, as the data sets of files find them."""
    try:
        return [folder / name for name in find_images(folder).images]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be listed: {error.strerror}") from error


def write_predictions(
    run: RunDirectory,
    predictions: Sequence[Prediction],
    *,
    what: str = "image",
    csv: Path | None = None,
    json: Path | None = None,
) -> list[Path]:
    """Write predictions to the files that were named, otherwise to a new CSV file beside the run's results.

    Args:
        run: its directory.
        predictions: of the examples.
        what: the examples are, as the first column is called; the others are rank, class, probability and reason.
        csv: a new file.
        json: a new file.
    """
    if csv is None and json is None:
        csv = run.path / "predicted" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.csv"
        try:
            csv.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(csv, error) from error
    contents = {csv: as_csv(predictions, what), json: as_json(predictions, what)}
    written = {path: content for path, content in contents.items() if path is not None}
    for path, content in written.items():
        write_atomic(path, lambda file, content=content: file.write(content))
    return list(written)


def main(words: Sequence[str] | None = None) -> None:
    """Classify what files hold and print the most probable classes of each example."""
    given = _parser().parse_args(words)
    if given.top is not None and given.top < 1:
        raise UserError(f"--top must be >= 1, got {given.top}")
    for option in ("csv", "json"):
        require_new_file(f"--{option}", getattr(given, option))
    run = RunDirectory(given.run_dir)
    predictions = predict(run, files_in(given.files), top=given.top, checkpoint=given.checkpoint)
    for found in predictions:
        _print_prediction(found)
    what = "image" if kind_of(build_source(run.config.data.source)).images else "example"
    paths = write_predictions(run, predictions, what=what, csv=given.csv, json=given.json)
    where = " and ".join(in_line(path) for path in paths)
    print(f"written to {where}; {_probabilities(run)}")
    if bad := sum(bool(found.reason) for found in predictions):
        raise UserError(f"{bad} of {len(predictions)} images cannot be read; the others are in the file above")


def _probabilities(run: RunDirectory) -> str:
    """What the printed probabilities are."""
    result = run.result()
    if result is not None and result.facts.get("task") == "multi_label":
        return "each label has a probability of its own"
    return "probabilities with the scale fitted on the run's validation split"


def _parser() -> Parser:
    parser = Parser("predict", __doc__)
    parser.add_argument("run_dir", type=as_path, metavar="RUN_DIR", help="a finished run of a classifier")
    parser.add_argument(
        "files",
        nargs="+",
        type=as_path,
        metavar="FILE",
        help="image files, or folders of them; of a run on a table one table; on arrays one .npy file",
    )
    parser.add_argument("--top", type=int, help="how many classes to name (default 1, or all labels above 50 %%)")
    parser.add_argument("--csv", type=as_path, help="write to this new file, in place of one in RUN_DIR/predicted")
    parser.add_argument("--json", type=as_path, help="write to this new file, as JSON")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    return parser


def _print_prediction(found: Prediction) -> None:
    if found.reason:
        print(f"{in_line(found.name)}: cannot be read: {in_line(found.reason)}", file=sys.stderr)
        return
    named = zip(found.classes, found.probabilities, strict=True)
    said = "  ".join(f"{in_line(name)} {100 * p:.1f} %" for name, p in named)
    print(f"{in_line(found.name)}  {said or 'no label above 50 %'}")
