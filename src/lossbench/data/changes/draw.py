"""What the random numbers of a change depend on. Torch-free."""

from typing import NamedTuple

import numpy as np

from lossbench.seeds import generator


class Draw(NamedTuple):
    """One draw of a data set's splits.

    Args:
        seed: of the split.
        replicate: its number; None where the seed alone decides the splits.
        class_names: of the C classes.
    """

    seed: int
    replicate: int | None
    class_names: tuple[str, ...]

    def generator(self, *names: object) -> np.random.Generator:
        """Give random numbers of their own for a named use."""
        return generator(self.seed, *names, "load" if self.replicate is None else self.replicate)
