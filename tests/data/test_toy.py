"""The published toy problem, number by number."""

import numpy as np
import pytest

from lossbench.data.toy import Toy

LOGITS = [
    [0.7448, 0.4770, 0.9744, 0.7301, 0.8500],
    [0.6688, 0.7645, 0.6790, 0.0454, 0.1290],
    [0.4919, 0.2358, 0.9810, 0.9704, 0.2762],
    [0.3241, 0.8553, 0.7690, 0.9935, 0.6545],
]


def test_published_logits_and_targets() -> None:
    toy = Toy()
    train = toy.splits["train"]
    logits = train.inputs @ toy.initial_weight(0).T
    np.testing.assert_array_equal(logits, np.array(LOGITS, dtype=np.float32))
    assert train.targets.tolist() == [1, 2, 3, 0]
    assert (train.inputs.dtype, train.targets.dtype) == (np.float32, np.int64)
    assert (toy.num_classes, toy.input_shape) == (5, (4,))


def test_published_does_not_depend_on_the_seed_and_random_does() -> None:
    assert np.array_equal(Toy().initial_weight(0), Toy().initial_weight(1))
    random = [Toy("random").initial_weight(seed) for seed in (0, 0, 1)]
    assert np.array_equal(random[0], random[1])
    assert not np.array_equal(random[0], random[2])
    assert all(weight.shape == (5, 4) and weight.min() >= 0 and weight.max() < 1 for weight in random)


def test_the_data_are_the_same_however_the_weights_start() -> None:
    assert Toy("random").fingerprint() == Toy().fingerprint()


@pytest.mark.parametrize("init", ["Random", "", None, 0])
def test_other_starts_are_refused(init: str) -> None:
    with pytest.raises(ValueError, match="init must be published or random, got"):
        Toy(init)
