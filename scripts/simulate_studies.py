"""Studies of losses with known differences, judged by the real functions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lossbench.report.stats.differences import Design, Differences, spread
from lossbench.report.stats.max_t import two_sided
from lossbench.report.stats.sequential import ALPHA, look_factor
from lossbench.report.stats.verdict import PairedComparison, judge

SD = 0.01  # of a run's score
EXAMPLES, FOLDS = 359, 5
Study = dict[str, Differences]


def _gaussian(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return SD * rng.normal(size=shape)


def _t3(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return SD / np.sqrt(3) * rng.standard_t(3, size=shape)


def _skewed(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return SD * (1 - rng.exponential(size=shape))


def _collapsing(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return SD * rng.normal(size=shape) - 0.3 * (rng.random(shape) < 0.05)


def _discrete(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return np.round(EXAMPLES * 0.003 * rng.normal(size=shape)) / EXAMPLES


def _unequal(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return SD * rng.choice([0.2, 1, 3], size=(1, shape[1])) * rng.normal(size=shape)


NOISES: Mapping[str, Callable[[tuple[int, int], np.random.Generator], np.ndarray]] = {
    "Gaussian": _gaussian,
    "t3": _t3,
    "skewed": _skewed,
    "collapsing": _collapsing,
    "discrete": _discrete,
    "unequal": _unequal,
}


def without_examples(noise: str, R: int, m: int, rng: np.random.Generator, shift: float = 0.0) -> Study:
    """A study of m losses and a baseline, all equal but the first, over R units; a unit moves all alike.

    Args:
        noise: of a run's score, one of NOISES.
        R: units.
        m: comparisons.
        rng: of this study.
        shift: by how much the first loss is better.
    """
    scores = SD * rng.normal(size=(R, 1)) + NOISES[noise]((R, m + 1), rng)
    d = scores[:, 1:] - scores[:, :1] + shift * np.eye(m)[0]
    return {str(k): Differences(np.arange(R), d[:, k]) for k in range(m)}


def with_examples(design: Design, R: int, m: int, rng: np.random.Generator, shift: float = 0.0) -> Study:
    """A study with the differences by example: 359 of them in each unit, right or wrong.

    Each arm is right where skill + difficulty + its own view of the example + noise > 0. Examples and their views are
    drawn anew for each study, and so are the units, so that equal losses are equal on new data.

    Args:
        design: folds of a pool of 5 * 359, or one test set of 359.
        R: units.
        m: comparisons.
        rng: of this study.
        shift: of the first loss's skill.
    """
    N = FOLDS * EXAMPLES if design == "folds" else EXAMPLES
    view = 1.8 + rng.normal(size=N) + 0.4 * rng.normal(size=(m + 1, N))
    view[1] += shift
    own = 0.1 * rng.normal(size=(m + 1, R))
    right = np.zeros((m + 1, R, N), np.float32)
    tested = _folds(R, N, rng) if design == "folds" else np.tile(np.arange(N), (R, 1))
    for r in range(R):
        noise = 0.4 * rng.normal(size=(m + 1, EXAMPLES))
        right[:, r, tested[r]] = view[:, tested[r]] + own[:, r, None] + noise > 0
    hidden = np.ones((R, N), bool)
    hidden[np.arange(R)[:, None], tested] = False
    study: Study = {}
    for k in range(m):
        h = right[k + 1] - right[0]
        h[hidden] = np.nan
        study[str(k)] = Differences(np.arange(R), np.nanmean(h, 1), h)
    return study


def _folds(R: int, N: int, rng: np.random.Generator) -> np.ndarray:
    orders = [rng.permutation(N).reshape(FOLDS, EXAMPLES) for _ in range(-(-R // FOLDS))]
    return np.concatenate(orders)[:R]


def has_claim(study: Study, design: Design = "split", look: int = 1, among: Sequence[str] | None = None) -> bool:
    """Whether any of some comparisons is called better or worse, slightly or not.

    Adjusted p lie between raw p and m times raw p, so that most studies need no distribution of the largest |T|.
    """
    spreads = {label: spread(one, design) for label, one in study.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.array([one.means.mean() / spreads[label].se for label, one in study.items()])
    p = two_sided(np.nan_to_num(t, nan=0.0), np.array([one.df for one in spreads.values()]))
    if p.min() * look_factor(look) >= ALPHA:
        return False
    found = judge(study, None, design=design, look=look)
    return any(is_claim(one) for label, one in found.items() if among is None or label in among)


def is_claim(one: PairedComparison) -> bool:
    """Whether a comparison is called better or worse, slightly or not."""
    return one.verdict in ("better", "worse") or one.qualifier is not None


def false_claims(
    make: Callable[[np.random.Generator], Study], repeats: int, rng: np.random.Generator, design: Design = "split"
) -> float:
    """Share of studies of equal losses with any claim."""
    return sum(has_claim(make(rng), design) for _ in range(repeats)) / repeats


def found(make: Callable[[np.random.Generator], Study], repeats: int, rng: np.random.Generator) -> float:
    """Share of studies in which the first loss is called better."""
    return sum(judge(make(rng), None, design="split")["0"].verdict == "better" for _ in range(repeats)) / repeats


def coverage(noise: str, R: int, shifts: np.ndarray, margin: float, repeats: int, rng: np.random.Generator) -> float:
    """Share of studies in which the intervals of all losses hold their true differences."""
    held = 0
    for _ in range(repeats):
        study = without_examples(noise, R, len(shifts), rng)
        shifted = {
            label: Differences(one.units, one.means + shift)
            for (label, one), shift in zip(study.items(), shifts, strict=True)
        }
        pairs = zip(judge(shifted, margin, design="split").values(), shifts, strict=True)
        held += all(one.low - 1e-12 <= shift <= one.high + 1e-12 for one, shift in pairs)
    return held / repeats
