"""Chromium for tests, spoken to by its debugging protocol."""

import json
import shutil
import subprocess
import time
from itertools import count

from websocket import create_connection

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
)
FLAGS += " --disable-background-networking --disable-component-update"
FLAGS += " --disable-dev-shm-usage"  # small in containers


class Browser:
    """Chromium, spoken to by its debugging protocol."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [
                *(CHROMIUM, *FLAGS.split(), f"--user-data-dir={folder}"),
                *("--remote-debugging-port=0", "--remote-allow-origins=*"),
                "about:blank",
            ],
            stderr=subprocess.DEVNULL,
        )
        port = folder / "DevToolsActivePort"
        while not (port.is_file() and port.read_text().count("\n")):
            assert self.process.poll() is None
            time.sleep(0.1)
        number, path = port.read_text().split("\n")[:2]
        self.socket = create_connection(f"ws://127.0.0.1:{number}{path}", timeout=60)
        self.ids, self.events, self.session = count(1), [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Network", "Log", "Runtime", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments) -> dict:
        """Send a command, keep the events that come before its answer."""
        message = {"id": next(self.ids), "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != message["id"]:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, script: str):
        """The value of an expression on the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 120):
        """The value of an expression as soon as it is true."""
        until = time.monotonic() + seconds
        while not (found := self.evaluate(script)):
            assert time.monotonic() < until, f"never true: {script}"
            time.sleep(0.2)
        return found

    def close(self) -> None:
        """End the browser."""
        self.socket.close()
        self.process.terminate()
        self.process.wait(30)
