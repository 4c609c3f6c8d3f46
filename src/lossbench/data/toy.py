"""The toy problem: four examples whose logits are the parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lossbench.data.source import SPLITS, Source, Split
from lossbench.errors import suggest
from lossbench.seeds import generator

PUBLISHED_LOGITS = (
    (0.7448, 0.4770, 0.9744, 0.7301, 0.8500),
    (0.6688, 0.7645, 0.6790, 0.0454, 0.1290),
    (0.4919, 0.2358, 0.9810, 0.9704, 0.2762),
    (0.3241, 0.8553, 0.7690, 0.9935, 0.6545),
)
TARGETS = (1, 2, 3, 0)


@dataclass(frozen=True)
class Toy(Source):
    """The 4 x 4 identity as inputs, so that a bias-free linear layer's weights are the 4 x 5 logits themselves.

    Train, val and test are the same four examples: what is looked at is the optimisation, not generalisation.

    Args:
        init: "published" starts from the published logits; "random" draws them uniformly from [0, 1) with the run's
            seed.

    Raises:
        ValueError: init is neither.
    """

    init: str = "published"

    class_names: ClassVar[tuple[str, ...]] = ("0", "1", "2", "3", "4")
    input_shape: ClassVar[tuple[int, ...]] = (4,)

    def __post_init__(self) -> None:
        if self.init not in ("published", "random"):
            raise ValueError(
                f"init must be published or random, got {self.init!r}; "
                f"{suggest(str(self.init), ('published', 'random'))}"
            )

    def load(self) -> Mapping[str, Split]:
        """Make the four examples."""
        split = Split(np.eye(4, dtype=np.float32), np.array(TARGETS, dtype=np.int64), np.array(["0", "1", "2", "3"]))
        return dict.fromkeys(SPLITS, split)

    def pool(self) -> Split:
        """The four examples."""
        return self._whole._loaded["train"]

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Every replicate has all four examples in all splits: only its seed differs."""
        return dict.fromkeys(SPLITS, np.arange(len(TARGETS)))

    def initial_weight(self, seed: int) -> np.ndarray:
        """The initial logits, transposed to a linear layer's weight (5, 4)."""
        logits = (
            np.array(PUBLISHED_LOGITS) if self.init == "published" else generator(seed, "toy-logits").random((4, 5))
        )
        return logits.T.astype(np.float32)
