"""Weights of classes from their counts, against their formulas."""

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight

from lossbench.losses.class_weights import effective_number, inverse_frequency

COUNTS = np.array([500.0, 50.0, 5.0, 1.0])


def test_inverse_frequency_is_scikit_learns_balanced_weight() -> None:
    targets = np.repeat(np.arange(4), COUNTS.astype(int))
    np.testing.assert_allclose(
        inverse_frequency(COUNTS), compute_class_weight("balanced", classes=np.arange(4), y=targets)
    )


def test_the_effective_number_is_a_geometric_sum_and_lies_between_no_weights_and_inverse_frequency() -> None:
    for beta in (0.0, 0.9, 0.999):
        each = np.array([1 / sum(beta**k for k in range(int(n))) for n in COUNTS])  # E_n = sum_k<n beta^k
        np.testing.assert_allclose(effective_number(COUNTS, beta), each * 4 / each.sum(), rtol=1e-9)
    np.testing.assert_allclose(effective_number(COUNTS, 0.0), np.ones(4))
    inverse = inverse_frequency(COUNTS)
    np.testing.assert_allclose(effective_number(COUNTS, 1 - 1e-9), inverse * 4 / inverse.sum(), rtol=1e-5)
    found = effective_number(torch.from_numpy(COUNTS), torch.tensor(0.999, dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), effective_number(COUNTS, 0.999))
