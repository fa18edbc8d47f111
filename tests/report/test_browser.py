"""The HTML report in a real browser: quiet, loads nothing, fits a phone."""

import json
import shutil
import subprocess
import time
from itertools import count
from pathlib import Path

import pandas as pd
import pytest
from websocket import create_connection

from lib import paths
from lib.data import preprocess
from lib.report import build_report
from tests.report.notebooks import META, write_run
from tests.test_item_name import page_views

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
)
FLAGS += " --disable-background-networking --disable-component-update"
DRAWN = "document.querySelectorAll('.chart svg').length"
CHOOSE = """
(() => { const menu = document.querySelector('#chart-history select');
  const name = menu.options[0].text; menu.selectedIndex = 3;
  menu.dispatchEvent(new Event('change')); return name; })()
"""
POINTS = """
[...document.querySelectorAll('#chart-history svg path')].map(
  e => e.getAttribute('d')).join()
"""
OVERFLOW = """
[...document.querySelectorAll('body *')].filter(e =>
  !e.closest('.scroll, pre, math, main > table')
  && e.getBoundingClientRect().right > innerWidth + 1
).map(e => e.tagName + '.' + e.className).concat(
  document.documentElement.scrollWidth > innerWidth ? ['page'] : [])
"""


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
        return found["result"]["value"]


@pytest.fixture
def browser(tmp_path):
    found = Browser(tmp_path / "profile")
    yield found
    found.socket.close()
    found.process.terminate()
    found.process.wait(30)


def write_forecast(place) -> Path:
    """A run whose charts have something to draw: page views, and stored scores."""
    log = page_views(place / "views.csv")
    preprocess(str(log), "day", item_column="page", run="views", item_name="page")
    processed = paths.PROCESSED / "views"
    movies = pd.read_parquet(processed / "movies.parquet", columns=["movieId", "title"])
    movies.loc[0, "title"] = "</script><b>&"
    coming = movies.assign(slot="2024-01-13", rank=range(1, len(movies) + 1))
    coming = coming.assign(share=0.02, expected=4.5, low50=3, high50=6, low95=1)
    coming.assign(high95=9, change=0.5, new=False).to_csv(place / "forecast.csv")
    stored = paths.ROOT / "report" / "ml-100k-7d" / "results.csv"
    shutil.copy(stored, place / "results.csv")
    return processed


def test_report_is_quiet_and_fits(browser, place):
    processed = write_forecast(place)
    _, page = build_report(
        place,
        notebooks=write_run(place),
        meta=META | {"item_name": "page"},
        title="A report",
        processed=processed,
    )
    assert page.stat().st_size < 6e6
    for width, scheme in ((360, "light"), (360, "dark"), (1280, "light")):
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 700, "deviceScaleFactor": 1, "mobile": True},
        )
        scheme = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.call("Emulation.setEmulatedMedia", features=scheme)
        browser.call("Page.navigate", url=page.as_uri())
        while browser.evaluate("document.readyState") != "complete":
            time.sleep(0.1)
        assert browser.evaluate(OVERFLOW) == []
        assert browser.evaluate(DRAWN) == 2
    before = browser.evaluate(POINTS)
    assert browser.evaluate(CHOOSE) == "</script><b>&"
    assert browser.evaluate(POINTS) != before
    asked = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}
    spoken = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [e for e in browser.events if e["method"] in spoken] == []
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert browser.evaluate(dark) is False
