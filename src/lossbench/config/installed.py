"""Packages that an option needs and an installation may lack. Torch-free: they are looked for, not imported."""

from collections.abc import Iterator
from importlib.util import find_spec

from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError

NEEDED = {
    "WandbLogger": ("wandb", "'lossbench[wandb]'"),
    "MLFlowLogger": ("mlflow", "'lossbench[mlflow]'"),
    "CometLogger": ("comet_ml", "comet-ml"),
    "RichModelSummary": ("rich", "rich"),
    "Timm": ("timm", "'lossbench[timm]'"),
    "Lite0": ("timm", "'lossbench[weights]'"),
}
"""Class -> the package that it imports when it is built, and what pip installs."""


def check_installed(config: RunConfig) -> None:
    """Refuse an option whose package is not installed.

    Raises:
        UserError: names the option, the package and how to install it.
    """
    for where, node in _built(config):
        package, what = NEEDED.get(node.class_name, (None, ""))
        if package is not None and not is_installed(package):
            raise UserError(
                f"{where} needs the package {package}, which is not installed: pip install {what}, or leave {where} out"
            )


def is_installed(package: str) -> bool:
    """Whether a package can be imported; a folder of that name without code (wandb makes one) is none."""
    try:
        spec = find_spec(package)
    except ValueError:  # it is imported already, and was not found by its name
        return True
    return spec is not None and spec.origin is not None


def _built(config: RunConfig) -> Iterator[tuple[str, Node]]:
    yield f"model={'timm' if config.model.class_name == 'Timm' else config.model.name}", config.model
    if config.model.backbone is not None:
        yield f"model/backbone={config.model.backbone.name}", config.model.backbone
    for name, node in config.logger.items():
        yield f"logger={name}", node
    for name, node in config.callbacks.items():
        yield f"callbacks.{name}", node
