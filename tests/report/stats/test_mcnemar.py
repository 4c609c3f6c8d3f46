"""McNemar's exact test against the binomial test of SciPy."""

import pytest
from scipy.stats import binomtest

from lossbench.report.stats.mcnemar import mcnemar_p


@pytest.mark.parametrize(("ours", "theirs"), [(0, 5), (5, 0), (7, 2), (3, 3), (40, 61), (1, 0)])
def test_it_is_the_binomial_test_of_the_discordant_examples(ours: int, theirs: int) -> None:
    assert mcnemar_p(ours, theirs) == pytest.approx(binomtest(ours, ours + theirs, 0.5).pvalue)


def test_models_that_never_differ_have_p_1_and_negative_numbers_are_refused() -> None:
    assert mcnemar_p(0, 0) == 1
    with pytest.raises(ValueError, match="must be >= 0, got 2 and -1"):
        mcnemar_p(2, -1)
