"""The formats of an exported network: how its file is written, and what its script needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from lossbench.config.installed import is_installed
from lossbench.errors import UserError, suggest
from lossbench.export.graph import axes_of, cannot, example, quiet, traced, whole
from lossbench.export.source_code import as_source
from lossbench.trained.predictor import Predictor


@dataclass(frozen=True)
class Format:
    """A format of the network's file.

    Args:
        file: its name.
        write: gives a predictor's file and what belongs to it, into a folder.
        needs: packages that the receiver's script imports, as pip names them.
        made_with: package -> what pip installs, for lossbench to write it.
    """

    file: str
    write: Callable[[Predictor, Path], None]
    needs: tuple[str, ...]
    made_with: Mapping[str, str]


def _torch(predictor: Predictor, folder: Path) -> None:
    about, axes = str(predictor.run.path), axes_of(predictor)
    torch.export.save(traced(whole(predictor), example(predictor), axes, about), folder / TORCH.file)


def _onnx(predictor: Predictor, folder: Path) -> None:
    about, axes = str(predictor.run.path), axes_of(predictor)
    program = traced(whole(predictor), example(predictor), axes, about)
    try:
        with quiet():
            made = torch.onnx.export(
                program, (), dynamo=True, input_names=["inputs"], output_names=["probabilities"], verbose=False
            )
    except Exception as error:  # the exporter raises many kinds
        raise cannot(about, error) from error
    assert made is not None  # dynamo=True gives a program
    made.save(folder / ONNX.file)


def _safetensors(predictor: Predictor, folder: Path) -> None:
    from safetensors.torch import save_file

    about = str(predictor.run.path)
    source, tensors = as_source(traced(predictor.network, example(predictor, prepared=True), 1, about), about)
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, folder / SAFETENSORS.file)
    (folder / "network.py").write_text(source)


TORCH = Format("model.pt2", _torch, ("torch",), {})
ONNX = Format(
    "model.onnx",
    _onnx,
    ("onnxruntime",),
    dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), "'lossbench[onnx]'"),
)
SAFETENSORS = Format("model.safetensors", _safetensors, ("torch", "safetensors"), {})
FORMATS = {"torch": TORCH, "onnx": ONNX, "safetensors": SAFETENSORS}


def format_of(name: str) -> Format:
    """Give a format by its name.

    Raises:
        UserError: there is none, or a package that it needs is not installed.
    """
    if name not in FORMATS:
        raise UserError(f"--format {name} does not exist; {suggest(name, FORMATS)}")
    for package, what in FORMATS[name].made_with.items():
        if not is_installed(package):
            raise UserError(f"--format {name} needs the package {package}, which is not installed: pip install {what}")
    return FORMATS[name]
