"""JupyterLab in a real browser: a notebook opens, runs, and takes a changed value."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

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
RUN_ALL = "void jupyterapp.commands.execute('notebook:run-all-cells')"


@pytest.fixture
def lab(place):
    """Address of the server that `make lab` starts, over a copy of the notebooks."""
    shutil.copytree(NOTEBOOKS, place / "notebooks", ignore=lambda *_: ["recommenders"])
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


def run_all(browser: Browser, address: str, name: str, ends: str, change="") -> str:
    """Open a notebook, change it, run all its cells till one ends so; the outputs."""
    browser.call("Page.navigate", url=f"{address}/lab/tree/notebooks/{name}?reset")
    browser.wait("typeof jupyterapp !== 'undefined'")
    browser.wait(f"({CELLS} || []).length > 5")
    browser.wait(f"{KERNEL} === 'idle'")
    if change:
        browser.evaluate(change)
    browser.evaluate(RUN_ALL)
    browser.wait(f"{OUTPUT.strip()}.includes('{ends}')", seconds=300)
    return browser.evaluate(OUTPUT)


def test_a_notebook_runs_and_takes_what_is_typed(lab, tmp_path, place):
    browser = Browser(tmp_path / "profile")
    try:
        ends = "rows of 01_preprocess in report/sample-month/results.csv"
        told = run_all(browser, lab, "01_preprocess.ipynb", ends, SLOT)
        assert '"output_type":"error"' not in told
        assert (place / "data" / "processed" / "sample-month" / "meta.json").is_file()
        ends = "first run notebook 01_preprocess"
        told = run_all(browser, lab, "06_compare_models.ipynb", ends)
        assert "Traceback" not in told and told.count('"output_type":"error"') == 1
    finally:
        browser.close()
