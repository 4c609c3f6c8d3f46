"""Write a trained run as a folder that predicts without lossbench.

lossbench export RUN_DIR [--format torch|onnx|safetensors] [--output FOLDER] [--checkpoint best]

The folder holds the network in one file, card.json, README.md and predict.py.
"""

from collections.abc import Sequence

from lossbench.cli.parser import Parser, as_path
from lossbench.errors import UserError
from lossbench.escaping import in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import finished

FORMATS = ("torch", "onnx", "safetensors")


def main(words: Sequence[str] | None = None) -> None:
    """Export a run and say where it lies and how it is used."""
    given = _parser().parse_args(words)
    output = given.output
    if output is not None and not output.absolute().parent.is_dir():
        raise UserError(f"--output {output}: there is no folder {output.absolute().parent}")
    run = RunDirectory(given.run_dir)
    finished(run)

    from lossbench.export.folder import export  # torch takes seconds to import

    folder, difference = export(run, given.format, output, given.checkpoint)
    print(f"written to {in_line(folder)}: its predictions differ from the run's by {difference:.1g} at most")
    print(
        f"python {in_line(folder / 'predict.py')} FILE ... predicts with it, without lossbench; README.md says the rest"
    )


def _parser() -> Parser:
    parser = Parser("export", __doc__)
    parser.add_argument("run_dir", type=as_path, metavar="RUN_DIR", help="a finished run of a classifier")
    parser.add_argument("--format", choices=FORMATS, default="torch", help="of the network's file (default torch)")
    parser.add_argument("--output", type=as_path, metavar="FOLDER", help="new (default RUN_DIR/exported/FORMAT)")
    parser.add_argument("--checkpoint", choices=("last", "best"), help="default: the weights that the run tested")
    return parser
