"""The sections of a configuration: frozen dataclasses whose fields hold the rules of their values. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

from lossbench.config.parse import Node, parse, setting
from lossbench.config.values import (
    Rule,
    betas,
    crop_areas,
    either,
    one_of,
    real,
    whole,
    widths,
)

SWITCH = one_of(True, False)
AUTO = one_of("auto", True, False)


@dataclass(frozen=True)
class Trainer:
    """Where and how long a run trains; docs/configuration.md explains every setting."""

    accelerator: Literal["auto", "cpu", "gpu"] = setting(one_of("auto", "cpu", "gpu"))
    devices: int = setting(whole(1, 128, "each is a process of one machine"))
    num_nodes: int = setting(whole(1, 10_000, "no cluster has more machines"))
    strategy: str = setting(one_of("auto", "ddp", "ddp_find_unused_parameters_true"))
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = setting(one_of("32-true", "bf16-mixed", "16-mixed"))
    max_epochs: int = setting(whole(1))
    max_steps: int = setting(either(-1, whole(1)))
    gradient_clip_val: float | None = setting(either(None, real(0, above=True)))
    accumulate_grad_batches: int = setting(whole(1))
    sync_batchnorm: bool = setting(SWITCH)
    channels_last: bool = setting(SWITCH)
    compile: bool = setting(SWITCH)
    deterministic: bool | Literal["warn"] = setting(one_of(True, False, "warn"))
    threads: int | Literal["auto"] = setting(either("auto", whole(1, 4096, "no machine has more cores")))

    @property
    def processes(self) -> int:
        """How many processes the run takes."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class Checkpoint:
    """How often a run saves."""

    every_n_epochs: int = setting(whole(1))
    every_n_steps: int | None = setting(either(None, whole(1)))


@dataclass(frozen=True)
class Data:
    """A data set and how it is loaded.

    Args:
        source: the data set.
    """

    source: Node
    batch_size: int = setting(whole(1))
    num_workers: int | Literal["auto"] = setting(either("auto", whole(0, 512, "each is a process")), 0)
    cache: Literal["none", "disk", "gpu"] = setting(one_of("none", "disk", "gpu"), "none")
    steps_per_epoch: int | None = setting(either(None, whole(1)), None)
    overfit_batches: int = setting(whole(0), 0)
    limit_eval_batches: int | None = setting(either(None, whole(1)), None)
    sampler: Literal["balanced"] | None = setting(either(None, one_of("balanced")), None)

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read the loaders' settings; all others are the data set's."""
        whole_node = Node.read(name, value)
        own = {key: item for key, item in whole_node.record.items() if key not in LOADER}
        return parse(cls, value, f"{name}.", {"source": Node(own)})

    @property
    def name(self) -> str:
        """What the data set is called on the command line."""
        return self.source.name

    @property
    def loader(self) -> dict[str, Any]:
        """The loaders' settings, by name."""
        return {name: getattr(self, name) for name in LOADER}


LOADER = tuple(each.name for each in fields(Data) if each.name != "source")


@dataclass(frozen=True)
class Augment(Node):
    """How training examples are varied."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "flip": real(0, top=1),
        "erasing": real(0, top=1),
        "mixup": real(0),
        "cutmix": real(0),
        "label_smoothing": real(0, below=1),
    }


@dataclass(frozen=True)
class Model(Node):
    """The model; with a backbone it learns on the features of another one, which is frozen."""

    rules: ClassVar[Mapping[str, Rule]] = {"hidden": widths, "dropout": real(0, below=1), "bias": SWITCH}

    @property
    def backbone(self) -> Node | None:
        """The frozen model that computes the features."""
        return Node.read("model.backbone", self.record["backbone"]) if "backbone" in self.record else None

    @property
    def trained(self) -> Node:
        """What is trained: the model without its backbone."""
        return Node({key: value for key, value in self.record.items() if key != "backbone"})


@dataclass(frozen=True)
class Head(Node):
    """What a loss adds behind the model."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "num_features": either(None, whole(1, 100_000, "its weights take memory")),
        "centers": whole(1, 1000, "each class has so many vectors"),
    }


@dataclass(frozen=True)
class Features:
    """How the features of a frozen backbone are computed."""

    views: int = setting(whole(1, 1000, "each is computed of every training image"), 1)
    scale: tuple[float, float] = setting(crop_areas, (0.35, 1.0))
    flip: float = setting(real(0, top=1), 0.5)
    dtype: Literal["float32", "float16", "bfloat16"] = setting(one_of("float32", "float16", "bfloat16"), "float32")


@dataclass(frozen=True)
class Optimizer(Node):
    """The optimiser."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "lr": real(0, above=True, below=3.4e38),
        "momentum": real(0, below=1),
        "weight_decay": real(0),
        "eps": real(0, above=True),
        "nesterov": SWITCH,
        "betas": betas,
    }

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read the node; a learning rate is never left to torch."""
        node = super().read(name, value)
        if "lr" not in node.record:
            raise KeyError(f"{name}.lr")
        return node

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.settings["lr"]


@dataclass(frozen=True)
class WeightAverage(Node):
    """The callback that averages the weights."""

    rules: ClassVar[Mapping[str, Rule]] = {"decay": real(0, below=1)}


@dataclass(frozen=True)
class EarlyStopping(Node):
    """The callback that ends a run which improves no more."""

    rules: ClassVar[Mapping[str, Rule]] = {
        "mode": one_of("min", "max"),
        "patience": whole(1),
        "min_delta": real(0),
    }


@dataclass(frozen=True)
class Embeddings:
    """Class embeddings from a file.

    Args:
        path: the file.
        sha256: the hash of its content.
    """

    path: str
    sha256: str

    @classmethod
    def read(cls, name: str, value: Any) -> "Embeddings | None":
        """Read what `embeddings_of` has found; None for one-hot."""
        return None if value is None else cls(value["path"], value["sha256"])
