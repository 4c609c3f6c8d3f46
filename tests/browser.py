"""A real browser for tests: Chromium without a window, spoken to over pipes in its own protocol (DevTools)."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
)
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 600  # on a busy machine a page may take long; what never comes fails all the same
# Chromium reads commands from descriptor 3 and writes answers to 4; the pipes may have either number already.
INTO_PLACE = """
import fcntl, os, sys
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, place in zip(high, (3, 4)):
    os.dup2(number, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """The path of Chromium, or None; where REQUIRE_BROWSER is set it has to be there."""
    found = next((path for name in COMMANDS if (path := shutil.which(name))), None)
    if found is None and os.environ.get("REQUIRE_BROWSER"):
        raise RuntimeError("REQUIRE_BROWSER is set and there is no Chromium: apt-get install chromium")
    return found


BROWSER = find_browser()
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium: apt-get install chromium"),
]


class Page:
    """One page of a running browser.

    Args:
        to: file descriptor that commands go to.
        back: file descriptor that answers and events come from.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._buffer, self._count = to, back, b"", 0
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", {"url": "about:blank"}, session=None)["targetId"]
        self._session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True}, session=None)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, params: dict[str, Any] | None = None, session: str | None = "own") -> dict[str, Any]:
        """Send a command and wait for its answer; events that come before it are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == message["id"]:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str, width: int, height: int = 900, dark: bool = False) -> None:
        """Show a page at a width in CSS pixels and wait until it has loaded."""
        self.events.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", {"features": scheme})
        self.send("Page.navigate", {"url": url})
        self.wait("document.readyState === 'complete'")

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        answer = self.send("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = SECONDS) -> Any:
        """Wait until JavaScript gives something true, and give it."""
        limit = time.monotonic() + seconds
        while True:
            if value := self.run(expression):
                return value
            assert time.monotonic() < limit, f"waited {seconds} s for {expression}"
            time.sleep(0.1)

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = []
        for event in self.events:
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] in ("error", "warning"):
                found.append(event["params"]["entry"]["text"])
            if event["method"] == "Runtime.exceptionThrown" or (
                event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "warning")
            ):
                found.append(str(event["params"]))
        return found

    def fetched(self) -> list[str]:
        """The addresses that were asked for; pictures that the page holds itself are none."""
        asked = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        addresses: list[str] = [event["params"]["request"]["url"] for event in asked]
        return [address for address in addresses if not address.startswith("data:")]

    def screenshot(self, path: Path) -> None:
        """Save a picture of the whole page."""
        answer = self.send("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(answer["data"]))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._back, 1 << 16)
            assert chunk, "the browser went away"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextmanager
def browse(program: str) -> Iterator[Page]:
    """Start a browser and stop it afterwards."""
    (ours_in, to), (back, ours_out) = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}"]
        words = [sys.executable, "-c", INTO_PLACE, str(ours_in), str(ours_out), *command]
        process = subprocess.Popen(words, pass_fds=(ours_in, ours_out), stderr=subprocess.DEVNULL)
        os.close(ours_in)
        os.close(ours_out)
        try:
            yield Page(to, back)
        finally:
            process.kill()
            process.wait()
            os.close(to)
            os.close(back)


# JavaScript: the boxes of all figures; the least contrast of any text with the page.
BOXES = """[...document.querySelectorAll('figure > svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const scale = box.width / svg.viewBox.baseVal.width;
  const sizes = [...svg.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize) * scale);
  return {name: svg.closest('figure').id, left: box.left, right: box.right, height: box.height,
          smallest: Math.min(...sizes),
          marks: svg.querySelectorAll('path, use').length};
})"""

# What leaves the page or its own box: every part of tables, figures and texts that is shown.
PARTS = "table, th, td, td div, th div, h1, h2, h3, p, li, dt, dd, pre, figure, img, figcaption, .line, .line span"
CUT = (
    f"[...document.querySelectorAll('{PARTS}')]"
    + """.filter(part => { const box = part.getBoundingClientRect();
    const hidden = part.closest('thead') && getComputedStyle(part.closest('thead')).position === 'absolute';
    if (hidden || !box.width) return false;
    const wider = getComputedStyle(part).display !== 'inline' && part.scrollWidth > part.clientWidth + 1;
    return box.left < -0.5 || box.right > innerWidth + 0.5 || wider; }).map(part => part.outerHTML.slice(0, 160))"""
)

CONTRAST = """(() => {
  const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = colour => { const [r, g, b] = colour.match(/\\d+/g).map(Number).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = colour => { const value = light(colour);
    return (Math.max(value, paper) + 0.05) / (Math.min(value, paper) + 0.05); };
  const nodes = [...document.querySelectorAll('p, li, td, th, figcaption, dt, dd, svg text')];
  const shown = nodes.filter(node => node.textContent.trim() &&
    (!node.closest('figure > svg') || `${node.getAttribute('style')} ${node.getAttribute('fill')}`.includes('var(')));
  const colour = node => node.closest('svg') ? getComputedStyle(node).fill : getComputedStyle(node).color;
  return Math.min(...shown.map(node => ratio(colour(node))));
})()"""
