"""What holds for every loss (lossbench.losses.laws), over the table of cases."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lossbench import losses
from lossbench.config.searched import without_ranges
from lossbench.losses.case import Case, examples
from lossbench.losses.laws import laws_of
from tests.cases import ALIASES, CASES, TERMS
from tests.classic_cases import CLASSIC

CONF = Path(__file__).parents[2] / "conf" / "loss"


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{case.name}-{law.__name__}-{tried}")
        for case in CASES
        for law, tried, check in laws_of(case)
    ],
)
def test_law_holds(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_terms_have_these_names(case: Case) -> None:
    logits, target, _ = examples()
    assert set(case.module().terms(case.output(logits), target)) == TERMS.get(case.name, set())


def exported(kind: Callable[[object], bool]) -> set[str]:
    """The names of the losses' functions or classes that `lossbench.losses` exports; not those of outputs."""
    found = inspect.getmembers(losses, kind)
    inside = {name for name, item in found if item.__module__.startswith("lossbench.losses.")}
    return inside - {"Loss", "ClassCosines", "HeadOutput", "RankOutput"}


def test_every_loss_has_a_case() -> None:
    cases = (*CASES, *CLASSIC)
    assert {case.name for case in cases} == exported(inspect.isfunction)
    assert {case.module.__name__ for case in cases} == exported(inspect.isclass)
    for case in cases:
        assert case.module.function is case.function is getattr(losses, case.name)


def test_every_loss_has_a_yaml() -> None:
    names = {case.name for case in (*CASES, *CLASSIC)} | set(ALIASES)
    assert names == {path.stem for path in CONF.glob("*.yaml")} - {"custom"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_yaml_equals_the_defaults(case: Case) -> None:
    config = yaml.safe_load((CONF / f"{case.name}.yaml").read_text())
    assert without_ranges(config.get("loss", config)) == {
        "name": case.name,
        "_target_": f"lossbench.losses.{case.module.__name__}",
        **case.module().hyper_parameters(),
    }


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_is_another_loss_with_settings(name: str) -> None:
    module, settings = ALIASES[name]
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert without_ranges(config.get("loss", config)) == {
        "name": name,
        "_target_": f"lossbench.losses.{module.__name__}",
        **module(**settings).hyper_parameters(),
    }
