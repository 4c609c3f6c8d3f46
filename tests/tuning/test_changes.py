"""What is said of a question that is another one than that of a study."""

from dataclasses import replace

from lossbench.tuning.changes import changes
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.plan import TWIN, Plan, Row
from lossbench.tuning.spaces import Space

RATE = Dimension("optimizer.lr", 1e-4, 1.0, "log", "wide")
Q = Dimension("loss.q", -1.0, 1.0, "linear", "the family")


def row_of(loss: str, rate: Dimension = RATE, own: tuple[Dimension, ...] = (), digest: str = "") -> Row:
    default = {rate.key: 0.003} | {each.key: 0.7 for each in own}
    return Row(loss, loss, (f"loss={loss}",), Space((rate,), own), default, "", digest or loss)


def plan_of(*rows: Row, fingerprint: str = "abc") -> Plan:
    twin = replace(rows[0], name=f"{rows[0].name} (twin)", scramble=TWIN, digest=f"twin of {rows[0].digest}")
    shared = {"fingerprint": fingerprint, "trainer.max_epochs": 30}
    budget = {"trials": 16, "steps": 480, "replicates": (0, 1)}
    asked = {"baseline": "cross_entropy", "metric": "test/accuracy", "monitor": "val/accuracy", "margin": 0.01}
    return Plan(rows=(*rows, twin), shared=shared, data="digits", model="mlp", **asked, **budget)


HELD = plan_of(row_of("cross_entropy"), row_of("power"))


def test_budget_and_metric_are_named_with_both_values() -> None:
    assert changes(replace(HELD, trials=32, metric="test/nll"), HELD) == [
        "metric: test/accuracy -> test/nll",
        "trials: 16 -> 32",
    ]


def test_losses_that_came_and_went_are_named_without_their_hashes() -> None:
    asked = plan_of(row_of("cross_entropy"), row_of("focal"))
    assert changes(asked, HELD) == ["with focal", "without power"]


def test_other_data_are_a_clause_though_they_change_the_hash_of_every_loss() -> None:
    asked = plan_of(row_of("cross_entropy", digest="1"), row_of("power", digest="2"), fingerprint="def")
    assert changes(asked, HELD) == ["other data"]


def test_a_range_is_said_once_where_all_losses_share_it_and_else_of_which_loss_it_is() -> None:
    narrow = replace(RATE, low=1e-3)
    asked = plan_of(row_of("cross_entropy", narrow), row_of("power", narrow, (Q,)))
    assert changes(asked, HELD) == [
        "range of optimizer.lr: 0.0001 to 1 (log) -> 0.001 to 1 (log)",
        "range of loss.q: not searched -> -1 to 1 (linear) (power)",
    ]


def test_what_was_typed_tells_settings_of_a_loss_apart() -> None:
    power = replace(row_of("power", digest="2"), overrides=("loss=power", "loss.q=0.5"))
    assert changes(plan_of(row_of("cross_entropy"), power), HELD) == [
        "settings: loss=power -> loss=power loss.q=0.5 (power)"
    ]


def test_every_part_of_a_question_is_said() -> None:
    for name, value in (("rule", 9), ("result_version", 9), ("steps", 9), ("margin", None), ("baseline", "power")):
        (line,) = changes(replace(HELD, **{name: value}), HELD)
        assert line.startswith(f"{name}: ")
