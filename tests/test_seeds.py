"""Named random streams."""

import subprocess
import sys

import numpy as np

from lossbench.seeds import derive, generator


def test_the_streams_are_the_ones_that_made_the_runs_there_are() -> None:
    assert derive(0, "order", 0) == 3955691223199900983
    assert generator(1, "split").permutation(6).tolist() == [0, 4, 5, 3, 1, 2]


def test_streams_differ_by_seed_name_and_number() -> None:
    seeds = [
        derive(seed, *names)
        for seed in (0, 1, 2**32 - 1)
        for names in ((), ("order",), ("order", 0), ("order", 1), ("split",))
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seeds[0] == derive(0)  # 0 is a seed like any other


def test_a_stream_is_the_same_in_every_process_and_leaves_the_global_one_alone() -> None:
    before = np.random.get_state(legacy=False)["state"]["key"].tolist()
    here = generator(5, "order", 2).random(3).tolist()
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before
    code = "from lossbench.seeds import generator; print(generator(5, 'order', 2).random(3).tolist())"
    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert there.stdout.strip() == str(here)
