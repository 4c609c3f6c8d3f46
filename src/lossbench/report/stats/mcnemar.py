"""Two classifiers on the same examples: does one get more of them right?"""

from scipy.special import bdtr  # pyright: ignore[reportMissingTypeStubs]


def mcnemar_p(only_ours: int, only_theirs: int) -> float:
    """p-value of two trained models being equally often right: McNemar's exact test, two-sided.

    p = min(1, 2 P(X <= min(b, c))), X binomial with b + c trials of probability 1/2

    Args:
        only_ours: b >= 0, examples that one model alone gets right.
        only_theirs: c >= 0, examples that the other one alone gets right.

    Returns:
        0..1; 1 where b + c = 0. It is about these two models on other examples, not about training them again.

    Raises:
        ValueError: on a negative number.

    Reference:
        McNemar 1947, Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages;
        Dietterich 1998, Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms.
    """
    if only_ours < 0 or only_theirs < 0:
        raise ValueError(f"numbers of examples must be >= 0, got {only_ours} and {only_theirs}")
    return min(1.0, 2 * float(bdtr(min(only_ours, only_theirs), only_ours + only_theirs, 0.5)))
