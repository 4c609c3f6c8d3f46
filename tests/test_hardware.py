"""Is there a GPU? The driver's answers, played by a driver of our own."""

import ctypes
from typing import Any

import pytest

from lossbench import hardware
from lossbench.errors import UserError
from lossbench.hardware import has_gpu, require_gpu


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


def test_only_who_asks_for_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, None)
    for accelerator in ("cpu", "auto"):
        require_gpu(accelerator)
    with pytest.raises(UserError, match=r"trainer\.accelerator=gpu: this machine has no usable GPU; use trainer=cpu"):
        require_gpu("gpu")
    play(monkeypatch, Driver(1))
    require_gpu("gpu")
