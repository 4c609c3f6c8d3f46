"""What holds for every classification loss: plain functions that raise AssertionError where it does not.

`laws_of` lists them for a loss, `broken_laws` runs them.
"""

from collections.abc import Callable, Iterator
from functools import partial

from lossbench.losses.case import Case, Setting
from lossbench.losses.laws.batched import (
    many_runs_at_once_are_the_loop,
    many_settings_at_once_are_the_loop,
    many_settings_in_one_backward,
)
from lossbench.losses.laws.interface import (
    a_module_copies_prints_and_has_no_state,
    logits_predict_as_the_output,
    wrong_shapes_and_dtypes_are_refused,
)
from lossbench.losses.laws.precision import autocast_changes_nothing, exceeds_fp16_is_right, extremes_stay_finite
from lossbench.losses.laws.symmetry import (
    classes_may_come_in_any_order,
    no_example_depends_on_the_others,
    shift_invariance_is_as_claimed,
)
from lossbench.losses.laws.values import (
    a_one_hot_target_is_the_index,
    a_small_step_downhill_lowers_it,
    a_soft_target_gives_the_expected_loss,
    one_value_for_each_example,
    the_curvature_is_the_slope_of_the_gradient,
    the_gradient_is_the_slope,
    the_terms_add_up,
    the_true_class_should_rise,
    values_match_the_naive_reference,
)

Check = tuple[Callable[..., None], str, Callable[[], None]]
"""A law, what it is tried on, and a function that raises where it does not hold."""

OF_SOFT_TARGETS = (a_soft_target_gives_the_expected_loss, a_one_hot_target_is_the_index)
OF_ANY_ORDER = (
    the_true_class_should_rise,
    a_soft_target_gives_the_expected_loss,
    classes_may_come_in_any_order,
    logits_predict_as_the_output,
)
OF_SLOPES = (the_gradient_is_the_slope, the_curvature_is_the_slope_of_the_gradient)
OF_SETTINGS = (
    values_match_the_naive_reference,
    one_value_for_each_example,
    the_true_class_should_rise,
    a_soft_target_gives_the_expected_loss,
    a_one_hot_target_is_the_index,
    the_gradient_is_the_slope,
    the_curvature_is_the_slope_of_the_gradient,
    the_terms_add_up,
    extremes_stay_finite,
    exceeds_fp16_is_right,
    no_example_depends_on_the_others,
    classes_may_come_in_any_order,
    a_small_step_downhill_lowers_it,
    autocast_changes_nothing,
    a_module_copies_prints_and_has_no_state,
    many_runs_at_once_are_the_loop,
)
OF_CASES = (shift_invariance_is_as_claimed, wrong_shapes_and_dtypes_are_refused, logits_predict_as_the_output)
OF_SWEEPS = (many_settings_at_once_are_the_loop, many_settings_in_one_backward)


def laws_of(case: Case) -> Iterator[Check]:
    """List what must hold for a loss, with its defaults, in each of its settings, and swept."""
    left_out = (*(() if case.soft_targets else OF_SOFT_TARGETS), *(OF_ANY_ORDER if case.ordered else ()))
    left_out += OF_SLOPES if case.module.constant_factors else ()
    for law in OF_CASES:
        if law not in left_out:
            yield law, "defaults", partial(law, case)
    for law in OF_SETTINGS:
        if law not in left_out:
            yield from _in_each_setting(law, case)
    for law in OF_SWEEPS:
        for name, values in case.sweep.items():
            yield law, name, partial(law, case, name, values)


def _in_each_setting(law: Callable[[Case, Setting], None], case: Case) -> Iterator[Check]:
    for setting in case.settings:
        tried = ",".join(f"{name}={value}" for name, value in setting.items())
        yield law, tried or "defaults", partial(law, case, setting)


def broken_laws(case: Case) -> dict[str, str]:
    """Run all laws on a loss, and give those that do not hold by name, with their docstring and the first error."""
    broken: dict[str, str] = {}
    for law, tried, check in laws_of(case):
        try:
            check()
        except Exception as error:  # whatever a loss raises is its failure
            reason = " ".join(str(error).split())[:300]
            broken.setdefault(law.__name__, f"{law.__doc__} With {tried}: {type(error).__name__}: {reason}")
    return broken
