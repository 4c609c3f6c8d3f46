"""Is there a GPU? The driver's answers, played by a driver of our own."""

import ctypes
import gc
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from lossbench import hardware
from lossbench.errors import UserError
from lossbench.hardware import cleared, has_gpu, importing, require_machine


class Driver:
    """CUDA's driver library with so many devices."""

    def __init__(self, devices: int, start: int = 0) -> None:
        self.devices, self.start = devices, start

    def cuInit(self, flags: int) -> int:  # noqa: N802 CUDA's name
        return self.start

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802 CUDA's name
        count._obj.value = self.devices
        return 0


def play(
    monkeypatch: pytest.MonkeyPatch,
    driver: Driver | None,
    platform: str = "linux",
    kfd: bool = False,
    machine: str = "x86_64",
) -> None:
    def load(name: str) -> Driver:
        if driver is None or name != {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}[platform]:
            raise OSError(name)
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(hardware.sys, "platform", platform)
    monkeypatch.setattr(hardware.platform, "machine", lambda: machine)
    monkeypatch.setattr(hardware.os.path, "exists", lambda path: kfd and path == "/dev/kfd")


@pytest.mark.parametrize(
    ("driver", "facts", "answer"),
    [
        (None, {}, False),
        (Driver(1), {}, True),
        (Driver(0), {}, False),  # a driver, but CUDA_VISIBLE_DEVICES is empty
        (Driver(1, start=100), {}, False),  # a driver that does not start
        (Driver(2), {"platform": "win32"}, True),
        (None, {"kfd": True}, True),
        (None, {"platform": "darwin", "machine": "arm64"}, True),
        (None, {"platform": "darwin", "machine": "x86_64"}, False),
    ],
)
def test_has_gpu(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, facts: dict[str, Any], answer: bool) -> None:
    play(monkeypatch, driver, **facts)
    assert has_gpu() is answer


@dataclass(frozen=True)
class Wanted:
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    compile: bool = False


@pytest.mark.parametrize(
    ("driver", "fits", "refused", "line"),
    [
        (None, Wanted(), Wanted("gpu"), r"trainer\.accelerator=gpu: this machine has no usable GPU; use trainer=cpu"),
        (Driver(1), Wanted("gpu"), Wanted("gpu", 2), r"trainer\.devices=2: this machine has 1 GPU\(s\); use .*=1$"),
        (Driver(1), Wanted("cpu", 2), Wanted("auto", 2), r"trainer\.devices=2: this machine has 1 GPU\(s\)"),
        (Driver(1), Wanted(precision="16-mixed"), Wanted("cpu", 1, "16-mixed"), "16-mixed needs a GPU, and this run"),
        (None, Wanted(precision="bf16-mixed"), Wanted(precision="16-mixed"), "16-mixed needs a GPU, and this run is"),
        (
            Driver(1),
            Wanted(compile=True),
            Wanted("cpu", compile=True),
            r"compile=true needs the C.. compiler no-such",
        ),
    ],
)
def test_what_the_machine_lacks_is_refused_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, fits: Wanted, refused: Wanted, line: str
) -> None:
    play(monkeypatch, driver)
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    require_machine(fits)
    with pytest.raises(UserError, match=line):
        require_machine(refused)


@pytest.mark.parametrize("enabled", [True, False])
def test_what_is_imported_is_not_looked_at_for_garbage(monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with importing():
            assert not gc.isenabled()
            module = [object() for _ in range(10)]
            monkeypatch.setitem(sys.modules, "imported_now", ModuleType("imported_now"))
        assert gc.isenabled() == enabled
        assert not any(found is module for found in gc.get_objects(generation=0))
        assert any(found is module for found in gc.get_objects(generation=2))
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if was else gc.disable)()


def test_where_all_is_imported_older_objects_stay_frozen() -> None:
    with cleared():
        with importing():
            pass
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
