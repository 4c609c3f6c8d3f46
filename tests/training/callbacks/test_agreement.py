"""Processes that mean different runs stop before the first step, and say where they differ."""

import multiprocessing
import os
from multiprocessing.connection import Connection

import pytest

from lossbench.errors import UserError
from lossbench.training.callbacks.agreement import gather, require_same


def test_the_same_everywhere_is_fine() -> None:
    require_same([{"configuration": "a", "data fingerprint": "b"}] * 4)


def test_a_difference_names_the_fact_and_the_ranks() -> None:
    facts = [{"configuration": "a", "data fingerprint": word} for word in ("b", "b", "c", "c")]
    with pytest.raises(
        UserError, match="the data fingerprint of rank 2, 3 is c, that of rank 0 b: every node must see the same"
    ):
        require_same(facts)


def one_rank(rank: int, port: int, pipe: Connection) -> None:
    from torch import distributed

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    distributed.init_process_group("gloo", rank=rank, world_size=2)
    try:
        require_same(gather({"configuration": f"hash {rank}"}, 2))
        pipe.send("agreed")
    except UserError as error:
        pipe.send(str(error))
    finally:
        distributed.destroy_process_group()


@pytest.mark.slow
def test_every_real_process_hears_of_it() -> None:
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    context, port = multiprocessing.get_context("spawn"), find_free_network_port()
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    workers = [context.Process(target=one_rank, args=(rank, port, pipes[rank][1])) for rank in range(2)]
    for worker in workers:
        worker.start()
    said = [receive.recv() if receive.poll(60) else "silence" for receive, _ in pipes]
    for worker in workers:
        worker.join(30)
    assert (
        said
        == [
            "the configuration of rank 1 is hash 1, that of rank 0 hash 0: "
            "every node must see the same run directory, data and code"
        ]
        * 2
    )
