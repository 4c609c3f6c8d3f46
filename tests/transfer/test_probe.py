"""The linear probe against scikit-learn's logistic regression, and its choice of a weight decay."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from lossbench.transfer.probe import MOST_ITERATIONS, WEIGHT_DECAYS, Examples, fit_probe


def halves(n: int, features: torch.Tensor, targets: torch.Tensor) -> tuple[Examples, Examples]:
    return Examples(features[:n], targets[:n]), Examples(features[n:], targets[n:])


def test_it_is_logistic_regression_with_the_weight_decay_that_it_chose() -> None:
    x, y = load_digits(return_X_y=True)
    train, val = halves(200, torch.tensor(x[:400]).float(), torch.tensor(y[:400]))
    probe = fit_probe(train, val, 10)
    assert 0 < probe.iterations < MOST_ITERATIONS
    assert not probe.at_edge
    standard = ((train.features - probe.mean) / probe.deviation).numpy()
    penalty = 1 / (200 * probe.weight_decay)  # scikit-learn's C multiplies the sum of the losses
    reference = LogisticRegression(C=penalty, tol=1e-9, max_iter=5000).fit(standard, y[:200])
    wanted = reference.predict_log_proba(((val.features - probe.mean) / probe.deviation).numpy())
    found = torch.log_softmax(probe(val.features), 1).numpy()
    assert np.abs(found - wanted).max() < 1e-3


def test_validation_examples_choose_and_are_not_fitted() -> None:
    """Of noise the strongest decay is chosen; of a feature that is the class, one that lets it speak."""
    generator = torch.Generator().manual_seed(1)
    targets = torch.arange(4).repeat(50)
    noise = torch.randn(200, 30, generator=generator)
    of_noise = fit_probe(*halves(100, noise, targets), 4)
    clear = torch.cat([noise, 3 * torch.nn.functional.one_hot(targets, 4)], 1)
    train, val = halves(100, clear, targets)
    probe = fit_probe(train, val, 4)
    assert of_noise.weight.norm() < probe.weight.norm() / 4
    assert (probe(val.features).argmax(1) == val.targets).float().mean() > 0.95
    assert probe.weight_decay in WEIGHT_DECAYS


def test_a_feature_that_does_not_vary_is_no_division_by_zero() -> None:
    targets = torch.arange(2).repeat(10)
    features = torch.stack([targets.float(), torch.ones(20)], 1)
    probe = fit_probe(Examples(features, targets), Examples(features, targets), 2)
    assert probe.deviation[1] == 1
    assert probe(features).isfinite().all()
    assert (probe(features).argmax(1) == targets).all()


def test_a_class_without_training_examples_is_never_predicted() -> None:
    targets = torch.arange(2).repeat(10)
    features = torch.nn.functional.one_hot(targets, 2).float()
    probe = fit_probe(Examples(features, targets), Examples(features, targets), 3)
    assert probe(features).shape == (20, 3)
    assert pytest.approx(1) == float((probe(features).argmax(1) < 2).float().mean())
