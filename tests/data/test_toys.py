"""Small data sets of every task, whose optimum is known."""

from typing import Any

import numpy as np
import pytest

from lossbench.data.source import Source
from lossbench.data.toys import (
    GROUPS,
    ToyCounts,
    ToyDistribution,
    ToyLabels,
    ToyOrdinal,
    ToyRanking,
    ToyRegression,
    ToySimilarity,
    ToyTriplets,
    ToyVectors,
)

ALL = (
    ToyRegression,
    ToyVectors,
    ToyDistribution,
    ToyCounts,
    ToyLabels,
    ToyOrdinal,
    ToyRanking,
    ToySimilarity,
    ToyTriplets,
)
every_toy = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


@every_toy
def test_shapes_and_dtypes(make: Any) -> None:
    source: Source = make(n=80)
    for split in source.splits.values():
        members = (source.members,) if source.members > 1 else ()
        assert split.inputs.shape == (80, *members, *source.input_shape)
        assert (split.inputs.dtype, split.targets.dtype) == (np.float32, np.int64 if make is ToyOrdinal else np.float32)
        one = bool(members) or make is ToyOrdinal
        assert split.targets.shape == ((80,) if one else (80, source.num_outputs))
    assert len({*np.concatenate([split.ids for split in source.splits.values()])}) == 240


@every_toy
def test_the_seed_decides_the_examples(make: Any) -> None:
    assert make().fingerprint() == make().fingerprint()
    assert len({make().fingerprint(), make(draw_seed=1).fingerprint(), make(n=64).fingerprint()}) == 3


def test_a_fingerprint_sees_fractions() -> None:
    one, other = ToyRegression(), ToyRegression()
    other.splits["train"].targets[0] += 1e-3
    assert one.fingerprint() != other.fingerprint()


def test_median_and_mean_of_the_skewed_noise() -> None:
    source = ToyRegression()
    train = source.splits["train"]
    noise = (train.targets - source.law()[train.inputs.argmax(1)])[:, 0]
    for k in range(GROUPS):
        mine = noise[train.inputs.argmax(1) == k]
        assert np.median(mine) == pytest.approx(np.log(2), abs=0.01)
        assert mine.mean() == pytest.approx(1, abs=0.01)


def test_the_law_of_each_is_in_the_examples() -> None:
    vectors, ranking, similarity = ToyVectors(), ToyRanking(), ToySimilarity()
    split = vectors.splits["test"]
    directions = split.targets / np.linalg.norm(split.targets, axis=1, keepdims=True)
    np.testing.assert_allclose(directions, vectors.law()[split.inputs.argmax(1)], atol=1e-6)
    split = ranking.splits["test"]
    assert (np.sign(np.diff(split.inputs @ ranking.law(), axis=1)[:, 0]) == -split.targets).all()
    split = similarity.splits["test"]
    kinds = (split.inputs @ similarity.law().T)[..., :3].round()
    assert ((kinds[:, 0] * kinds[:, 1]).sum(1) == (split.targets > 0)).all()
    assert 0.4 < (split.targets > 0).mean() < 0.8
    kinds = ((split := ToyTriplets().splits["test"]).inputs @ ToyTriplets().law().T)[..., :3].round()
    assert (kinds[:, 0] == kinds[:, 1]).all()
    assert not (kinds[:, 0] == kinds[:, 2]).all(1).any()
    np.testing.assert_allclose(ToyDistribution().splits["val"].targets.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("setting", [{"n": 7}, {"n": 8.5}, {"draw_seed": -1}])
def test_wrong_settings_are_refused(setting: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be a whole number >= "):
        ToyRegression(**setting)
