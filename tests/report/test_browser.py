"""The HTML report in a real browser: quiet, loads nothing, fits a phone."""

import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from lib import paths
from lib.data import preprocess
from lib.report import build_report
from tests.browser import CHROMIUM, Browser
from tests.report.notebooks import META, write_run
from tests.test_item_name import page_views

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
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


@pytest.fixture
def browser(tmp_path):
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


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
