"""Every wrong command line of the table is answered in one line, before torch is imported and with nothing written."""

from collections import Counter
from pathlib import Path

import pytest
from mistakes import Mistake, listing, make_desk, mistakes
from typed import TYPED, ForkServer, fork_server

# What a wrong command line may import: it is in the process from which children are forked. The heavy ones are not.
LIGHT = (
    "lossbench.cli.train",
    "lossbench.config.hydra_errors",
    "lossbench.launch.sweep",
    "numpy",
    "polars",
    "composed_once",
)
HEAVY = ("torch", "torchvision", "pytorch_lightning", "torchmetrics", "matplotlib")
TABLE = mistakes()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_desk(tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize(
    "mistake", [each for each in TABLE if not each.needs_torch], ids=lambda each: f"{each.topic}: {each.typed}"
)
def test_a_mistake_is_one_line_and_writes_nothing(mistake: Mistake, desk: Path) -> None:
    assert_answered(mistake, desk, fork_server(*LIGHT), HEAVY)


@pytest.mark.parametrize("mistake", [each for each in TABLE if each.needs_torch], ids=lambda each: each.typed)
def test_a_mistake_that_needs_torch_is_one_line_and_writes_nothing(mistake: Mistake, desk: Path) -> None:
    assert_answered(mistake, desk, fork_server())


def assert_answered(mistake: Mistake, desk: Path, server: ForkServer, forbidden: tuple[str, ...] = ()) -> None:
    """Type a line; fail with what is wrong with its answer, and the answer."""
    before = listing(desk)
    env = {**TYPED, "CUDA_VISIBLE_DEVICES": "", **mistake.environment}  # a GPU is no use to a mistake
    done = server.run(mistake.words, desk, env, {}, forbidden)
    faults = mistake.faults_of(done.returncode, done.stdout, done.stderr)
    if (after := listing(desk)) != before:
        faults.append(f"writes {sorted(after.items() ^ before.items())}")
    if faults:
        answer = "\n".join([*done.stdout.splitlines()[:20], *done.stderr.splitlines()[-20:]])
        pytest.fail(f"{mistake.typed}\n{'; '.join(faults)}\n{answer}", pytrace=False)


def test_no_line_is_there_twice() -> None:
    assert [typed for typed, count in Counter(each.typed for each in TABLE).items() if count > 1] == []
