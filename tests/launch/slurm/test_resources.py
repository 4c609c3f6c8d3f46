"""What a run asks a cluster for."""

from typing import Any

import pytest

from lossbench.errors import UserError
from lossbench.launch.slurm.resources import Resources

WRONG = {
    "cpus": (0, "4"),
    "gpus": (-1, True),
    "parallel": (0,),
    "memory_gb": (0, "16G"),
    "time": ("soon", "1h"),
    "partition": ("two words",),
    "account": ("",),
    "sbatch": ("--exclusive", ["exclusive"]),
    "setup": (["a\nb"],),
    "signal_seconds": (None,),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_sbatch_would_not_understand_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^hydra\.launcher\.{name} must be .*, got "):
        Resources(**{name: value}).check()


def test_null_is_allowed_where_a_cluster_has_a_default() -> None:
    Resources(partition=None, account=None, qos=None, constraint=None, memory_gb=None, gpus=None, parallel=None).check()
