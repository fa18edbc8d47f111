"""JupyterLab in a real browser: a notebook opens, runs, and takes a changed value."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from lib.data import preprocess
from lib.paths import NOTEBOOKS, ROOT
from tests.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium"),
]
CELLS = "jupyterapp.shell.currentWidget?.content?.widgets"
KERNEL = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
SLOT = f"""
(() => {{ const cell = {CELLS}.find(c => c.model.sharedModel.source.includes('SLOT ='));
  const source = cell.model.sharedModel;
  source.setSource(source.source.replace('SLOT = "week"', 'SLOT = "month"'));
  return source.source; }})()
"""
OUTPUT = f"""
JSON.stringify({CELLS}.filter(c => c.model.type === 'code').map(
  c => c.model.outputs ? c.model.outputs.toJSON() : []))
"""
RUN_ALL = """
void jupyterapp.commands.execute('notebook:run-all-cells').then(
  () => { window.finished = true; })
"""
# The cell with the form into sight, since others are not drawn; then a click
SHOW_FORM = """
(() => { const book = jupyterapp.shell.currentWidget.content;
  book.activeCellIndex = book.widgets.findIndex(
    c => c.model.sharedModel.source.includes('show_form('));
  return book.scrollToItem(book.activeCellIndex); })()
"""
BUTTON = (
    "[...document.querySelectorAll('button')].find(b => b.innerText === 'Recommend')"
)
LISTED = "document.querySelectorAll('.jupyter-widgets table tbody tr').length"
SERIES = ["03_lstm", "04_gru", "05_conv1d_lstm", "06_compare_models"]
LONG = pytest.mark.skipif(
    not os.environ.get("POPULARITY_LAB"), reason="minutes: needs POPULARITY_LAB=1"
)


@pytest.fixture
def lab(place):
    """Address of the server that `make lab` starts, over a copy of the notebooks."""
    shutil.copytree(NOTEBOOKS, place / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    makefile = (ROOT / "Makefile").read_text().split("\nlab:")[1].split("\n")[1]
    arguments = makefile.partition("-m jupyterlab ")[2].split()
    settings = ["--no-browser", f"--port={port}", "--IdentityProvider.token="]
    settings += ["--LabApp.expose_app_in_browser=True", "--allow-root"]
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *arguments, *settings],
        cwd=place,
        env={**os.environ, "POPULARITY_OUTPUT": str(place), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=5)
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(30)


@pytest.fixture
def browser(tmp_path):
    """Chromium with a profile of its own."""
    chromium = Browser(tmp_path / "profile")
    yield chromium
    chromium.close()


def run_all(browser: Browser, address: str, name: str, change="") -> str:
    """Open a notebook, change it, run all its cells; their outputs as JSON."""
    browser.call("Page.navigate", url=f"{address}/lab/tree/notebooks/{name}?reset")
    browser.wait("typeof jupyterapp !== 'undefined'")
    browser.wait(f"({CELLS} || []).length > 5")
    browser.wait(f"{KERNEL} === 'idle'")
    if change:
        browser.evaluate(change)
    browser.evaluate(RUN_ALL)
    browser.wait("window.finished", seconds=1200)
    assert not browser.evaluate("document.querySelectorAll('.jp-Dialog').length")
    return browser.evaluate(OUTPUT)


def test_a_notebook_runs_and_takes_what_is_typed(lab, browser, place):
    told = run_all(browser, lab, "01_preprocess.ipynb", SLOT)
    assert "rows of 01_preprocess in report/sample-month/results.csv" in told
    assert '"output_type":"error"' not in told
    assert (place / "data" / "processed" / "sample-month" / "meta.json").is_file()


def test_a_notebook_says_what_it_lacks(lab, browser):
    told = run_all(browser, lab, "06_compare_models.ipynb")
    assert "first run notebook 01_preprocess" in told
    assert "Traceback" not in told and told.count('"output_type":"error"') == 1


@pytest.mark.parametrize(
    "names",
    [["02_explore"], pytest.param(SERIES, marks=LONG)],
    ids=["02_explore", "03 to 06"],
)
def test_every_cell_runs(lab, browser, place, names):
    preprocess("sample", "week")
    for name in names:
        told = run_all(browser, lab, f"{name}.ipynb")
        assert '"output_type":"error"' not in told
        results = place / "report" / "sample-week" / "results.csv"
        assert f"\n{name}," in results.read_text("utf-8")


@LONG
def test_the_form_recommends(lab, browser):
    told = run_all(browser, lab, "recommenders/02_recommendernet.ipynb")
    assert '"output_type":"error"' not in told
    browser.evaluate(SHOW_FORM)
    browser.wait(f"{BUTTON} !== undefined")
    browser.evaluate(f"{BUTTON}.click()")
    browser.wait(f"{LISTED} === 10")
