"""A step that is compiled, or captured on a GPU, against the eager one; and what happens where it cannot be."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lossbench.data.order import TrainBatches
from lossbench.losses import CosineProb, CrossEntropy
from lossbench.training.schedules import OneCycle
from lossbench.vectorized.engine.batches import Batches
from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.stack import Member, Stack
from lossbench.vectorized.engine.step import compiled
from lossbench.vectorized.engine.step.choice import COMPILED, EAGER, FUSED, GRAPH, Size, choice

STEPS = 40


def a_stack(engine: str | None, dtype: torch.dtype = torch.float64, device: str = "cpu", runs: int = 20) -> Stack:
    """Two kinds of losses, runs with numbers and batches of their own, BatchNorm, clipping and averages."""
    draw = torch.Generator().manual_seed(0)
    inputs, target = torch.randn(30, 4, generator=draw, dtype=dtype), torch.randint(3, (30,), generator=draw)

    def member(k: int) -> Member:
        with torch.random.fork_rng():
            torch.manual_seed(k)
            model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)).to(device, dtype)
        loss = CosineProb(alpha=0.3 + 0.01 * k, beta=0.4) if k < runs // 2 else CrossEntropy()
        numbers = {"lr": 1e-3 * (k + 1), "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}
        return Member(model, loss, k, numbers, max_norm=0.1 + 0.1 * k, decay=0.9)

    members = [member(k) for k in range(runs)]
    orders = [TrainBatches(30, 8, k) for k in range(runs)]
    examples = Examples(inputs.to(device), target.to(device), [0] * runs)
    stack = Stack(members, "torch.optim.AdamW", Batches(examples, orders), OneCycle(), STEPS, 3)
    stack.engine = engine
    return stack


def trained(stack: Stack, steps: int = STEPS) -> list[torch.Tensor]:
    """Train, and give all that the steps have computed."""
    losses, logged = list[torch.Tensor](), list[torch.Tensor]()
    for _ in range(steps):
        seen = stack.train_step()
        found = seen.logged()
        losses.append(seen.losses.clone())
        logged += [found.norm.clone(), *(value.clone() for _, terms in found.terms for value in terms.values())]
    state = [each.detach() for each in (*stack.state.values(), *stack.average.values())]
    return [torch.stack(losses), *logged, *state, stack.totals]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [COMPILED, FUSED])
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_step_is_the_eager_one_and_goes_on_bit_for_bit(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    torch.set_num_threads(1)
    eager, first, second = a_stack(EAGER), a_stack(engine), a_stack(engine)
    expected, found = trained(eager), trained(first)
    assert first.engine == engine, first.why
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-9)
    files = set((tmp_path / "compiled").rglob("*.so"))
    assert files
    assert (tmp_path / "compiled").stat().st_mode & 0o077 == 0
    half = trained(second, STEPS // 2)  # from the cache
    assert set((tmp_path / "compiled").rglob("*.so")) == files
    assert torch.equal(half[0], found[0][: STEPS // 2])
    third = a_stack(None)
    third.load_state_dict(copy.deepcopy(second.state_dict()), torch.arange(20))
    rest = trained(third, STEPS - STEPS // 2)
    assert third.engine == engine
    assert torch.equal(rest[0], found[0][STEPS // 2 :])
    assert all(torch.equal(mine, other) for mine, other in zip(third.state.values(), first.state.values(), strict=True))


def changed(module: Any) -> Callable[[list[torch.Tensor]], Any]:
    """What a wrong compiler would give: the losses times 1.1."""

    def function(given: list[torch.Tensor]) -> Any:
        losses, *rest = module(*given)
        return [losses * 1.1, *rest]

    return function


def without_compiler(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")


def with_open_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("LOSSBENCH_CACHE", str(folder))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("CXX", "true")
    (folder / "compiled").mkdir()
    (folder / "compiled").chmod(0o777)


def with_wrong_numbers(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(compiled, "compiled", changed)


def with_an_unknown_operation(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("lossbench.vectorized.engine.step.runs_last.RULES", {})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_compiler, "there is no C++ compiler no-such-compiler; CXX names another"),
        (with_open_folder, "compiled may be written by others (chmod 700 "),
        (with_wrong_numbers, "compiled and eager steps differ in 100.0% of their numbers"),
        (with_an_unknown_operation, "has no form with the runs last"),
    ],
)
def test_what_cannot_be_compiled_is_trained_as_if_it_had_not_been_tried(
    spoil: Callable[[pytest.MonkeyPatch, Path], None], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, tmp_path)
    expected, stack = trained(a_stack(EAGER), 4), a_stack(COMPILED)
    found = trained(stack, 4)
    assert (stack.engine, stack.state_dict()["engine"]) == (EAGER, EAGER)
    assert reason in stack.why
    assert all(torch.equal(mine, other) for mine, other in zip(found, expected, strict=True))


def test_the_choice_depends_on_what_is_computed_alone() -> None:
    toy = Size(runs=1000, parameters=20, batch_size=4, steps=5000)
    assert choice(toy) == (COMPILED, "saves about 4.0 s of 5,000 steps")
    assert choice(toy._replace(runs=10)) == (EAGER, "compiling would save about 1.0 s of 5,000 steps")
    assert choice(toy._replace(steps=500))[0] == EAGER
    heads = Size(runs=200, parameters=18_981, batch_size=64, steps=300)
    assert choice(heads)[0] == FUSED
    assert choice(heads._replace(runs=20))[0] == EAGER
    assert [choice(toy._replace(device="cuda", steps=steps))[0] for steps in (99, 100)] == [EAGER, GRAPH]


def test_a_stack_saved_before_there_was_a_choice_goes_on_eagerly() -> None:
    stack, old = a_stack(None), a_stack(EAGER).state_dict()
    del old["engine"]
    stack.load_state_dict(old, torch.arange(20))
    assert stack.engine == EAGER


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_a_cuda_graph_is_the_eager_step_and_goes_on_bit_for_bit(dtype: torch.dtype, close: float) -> None:
    eager, stack, resumed = (a_stack(engine, dtype, "cuda") for engine in (EAGER, GRAPH, None))
    expected, found = trained(eager), trained(stack, STEPS // 2)
    resumed.load_state_dict(copy.deepcopy(stack.state_dict()), torch.arange(20, device="cuda"))
    rest, again = trained(stack, STEPS - STEPS // 2), trained(resumed, STEPS - STEPS // 2)
    assert (stack.engine, resumed.engine) == (GRAPH, GRAPH), stack.why
    torch.testing.assert_close(torch.cat([found[0], rest[0]]), expected[0], rtol=0, atol=close)
    if dtype == torch.float64:  # the bias before BatchNorm has gradients of 0 up to rounding, by which Adam divides
        for mine, other in zip(stack.state.values(), eager.state.values(), strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=close)
    assert all(torch.equal(mine, other) for mine, other in zip(again[:1], rest[:1], strict=True))
