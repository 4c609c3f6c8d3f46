"""Named random streams: every use of randomness has a name and its own generator."""

from hashlib import sha256

import numpy as np


def derive(seed: int, *names: object) -> int:
    """Derive a seed for one named use of randomness, independent of every other name.

    seed' = first 63 bits of SHA-256("seed/name/name...")

    Args:
        seed: the run's or the split's seed, an integer >= 0.
        names: what the stream is for, e.g. ("order", epoch).

    Returns:
        An integer in [0, 2**63).
    """
    digest = sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """Give the NumPy generator of one named stream (arguments as in `derive`)."""
    return np.random.default_rng(derive(seed, *names))


def step_seed(seed: int, step: int, rank: int = 0, *part: int) -> int:
    """Derive the seed of what a model draws in one step, such as the masks of dropout.

    Args:
        seed: the run's.
        step: >= 0.
        rank: of the process.
        part: of its share of a batch, where that comes in parts.
    """
    return derive(seed, "step", step, rank, *part)
