"""The price of looking again."""

import pytest

from lossbench.report.stats.sequential import ALPHA, least_units, look_factor, reachable


def test_all_looks_together_stay_at_6_percent() -> None:
    assert [look_factor(k) for k in range(1, 6)] == [1, 10, 20, 40, 80]
    assert sum(ALPHA / look_factor(k) for k in range(1, 60)) <= 0.06 + 1e-12


def test_the_least_units_are_the_first_that_can_decide() -> None:
    assert [least_units(look) for look in (1, 2, 3, 4)] == [6, 9, 10, 11]
    for look in (1, 2, 5, 9):
        least = least_units(look)
        assert least is not None
        assert reachable(least, look)
        assert not reachable(least - 1, look)


def test_after_too_many_looks_no_number_of_units_is_enough() -> None:
    assert least_units(12) is None
    assert not reachable(1000, 12)


@pytest.mark.parametrize("look", [0, -1])
def test_looks_are_counted_from_1(look: int) -> None:
    for function in (look_factor, least_units, lambda look: reachable(6, look)):
        with pytest.raises(ValueError, match="look must"):
            function(look)
