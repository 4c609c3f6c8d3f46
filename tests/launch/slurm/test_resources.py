"""What a run asks a cluster for."""

from typing import Any

import pytest

from lossbench.errors import UserError
from lossbench.launch.slurm.resources import Resources

WRONG = {
    "cpus": (0, "4"),
    "gpus": (-1, True),
    "parallel": (0,),
    "memory_gb": (0, "16G", 0.0004, float("inf")),
    "time": ("soon", "1h", "3", "02:30", "0-00:03", "00:03:00", True),
    "partition": ("two words", "a\x1bb", "a\u2028b"),
    "account": ("",),
    "sbatch": ("--exclusive", ["exclusive"], ["--comment='open"], ["--a\n--b"], ["--a\u2028b"], [""]),
    "setup": (["a\nb"], ["a\rb"]),
    "signal_seconds": (None,),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_sbatch_would_not_understand_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^hydra\.launcher\.{name} must be .*, got "):
        Resources(**{name: value}).check()


def test_null_is_allowed_where_a_cluster_has_a_default() -> None:
    Resources(partition=None, account=None, qos=None, constraint=None, memory_gb=None, gpus=None, parallel=None).check()


def test_times_that_leave_a_run_something_to_compute_are_allowed() -> None:
    for time in ("4", "03:01", "00:03:01", "0-1", "0", "1-00:00:00"):
        Resources(time=time).check()
