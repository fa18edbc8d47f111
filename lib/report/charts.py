"""Charts of the HTML report that answer to the pointer, drawn by Vega-Lite.

The script of Vega, Vega-Lite and Vega-Embed comes out of the wheel `vl-convert-python`
and goes into the page, as do the data: a page loads nothing. Vega interprets the
expressions of a chart instead of compiling them, so that the page's policy can forbid
all other scripts.
"""

import base64
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.grid import load_grid
from lib.evaluation.metrics import HIGHER_IS_BETTER, METRICS
from lib.evaluation.splits import time_split
from lib.figures.style import NETWORKS, color, label
from lib.figures.tables import HEADINGS
from lib.files import sealed
from lib.report.findings import read_rows, scores
from lib.text import shown_text

MOST, LATEST = 200, 400  # movies and slots of the history
TITLE = 50  # characters
# Labels take the colour of the page's text, in the light and in the dark
INK = {"labelColor": "currentColor", "titleColor": "currentColor"}
CONFIG = {
    "background": "transparent",
    "font": "inherit",
    "axis": INK | {"gridColor": "#8884", "domainColor": "#888", "tickColor": "#888"},
    "legend": INK | {"labelLimit": 220},
    "view": {"stroke": None},
}
CALL = "vegaEmbed('#{id}', {spec}, {{renderer: 'svg', actions: false, ast: true}});"


def charts(run_dir: Path, processed: Path | None, meta: dict) -> list[dict]:
    """The charts that a run has the numbers for.

    Args:
        run_dir: folder with forecast.csv and results.csv.
        processed: folder of the run's data.
        meta: what preprocessing recorded about the data.

    Returns:
        id, text (what to see and do) and spec (Vega-Lite) of each chart.
    """
    found, item = [], meta.get("item_name", "movie")
    if processed and (run_dir / "forecast.csv").is_file():
        text = (
            f"Requests of a {item}: the log, the networks' shares of the test slots "
            "times the true traffic, and the slots to come with their 95 % interval. "
            "Choose a name; a click on the legend shows one line alone, with the shift "
            "key several."
        )
        spec = history_chart(run_dir / "forecast.csv", processed, item)
        found.append({"id": "chart-history", "text": text, "spec": spec})
    rows = read_rows(run_dir / "results.csv")
    if not scores(rows).empty:
        text = "All forecasts on the test slots, the best on top. Choose the measure."
        found.append({"id": "chart-scores", "text": text, "spec": score_chart(rows)})
    return found


def script(found: list[dict]) -> tuple[str, str]:
    """The script that draws charts, and the source that a policy allows it by."""
    import vl_convert

    calls = "\n".join(
        CALL.format(id=chart["id"], spec=_embedded(chart["spec"])) for chart in found
    )
    # without a snippet, which its types ask for, it gives the global `vegaEmbed`
    bundle = vl_convert.javascript_bundle()  # ty: ignore[missing-argument]
    text = f"{bundle}\n{calls}"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return text, f"'sha256-{digest}'"


def _embedded(spec: dict) -> str:
    """JSON that cannot end the script around it, whatever titles say."""
    return json.dumps(spec, ensure_ascii=False).replace("<", "\\u003c")


def history_chart(forecast: Path, processed: Path, item: str) -> dict:
    """Requests of one of the most popular movies over time, chosen by name."""
    grid = load_grid(processed)
    table = pd.read_csv(forecast, dtype={"title": str, "slot": str})
    names = table.drop_duplicates("movieId").head(MOST).set_index("movieId")["title"]
    names = names.fillna(names.index.to_series().astype(str))
    names = names.map(lambda title: shown_text(title, TITLE))
    twice = names.duplicated(keep=False)
    names[twice] += " (" + names.index[twice].astype(str) + ")"
    begin = max(0, len(grid.slots) - LATEST)
    test = time_split(len(grid.slots)).test.start
    traffic = grid.counts.sum(axis=1)
    cells = _mean_forecasts(processed)
    columns = {movie: at for at, movie in enumerate(grid.movies["movieId"])}
    series = []

    def add(movie: int, kind: str, at: int, y, low=(), high=()) -> None:
        numbers = {"y": y, "low": low, "high": high}
        lists = {name: _rounded(values) for name, values in numbers.items()}
        series.append({"m": names[movie], "s": kind, "at": at, **lists})

    for movie in names.index.intersection(list(columns)):
        at = columns[movie]
        add(movie, "log", 0, grid.counts[begin:, at])
        for cell, shares in cells.items():
            y = shares[test:, at] * traffic[test:]
            add(movie, label(cell), test - begin, y)
    coming = table[table["movieId"].isin(names.index)]
    for movie, rows in coming.groupby("movieId", sort=False):
        bounds = rows[["expected", "low95", "high95"]].T.to_numpy()
        add(movie, "to come", len(grid.slots) - begin, *bounds)
    slots = [f"{slot:%Y-%m-%dT%H:%M}" for slot in grid.slots[begin:]]
    slots += [slot[:16].replace(" ", "T") for slot in table["slot"].unique()]
    return _history_spec(series, slots, list(names), item, cells)


def _rounded(values) -> list:
    """Numbers with a digit after the point, whole ones without."""
    return [round(v) if v == round(v) else round(float(v), 1) for v in values]


def _mean_forecasts(processed: Path) -> dict[str, np.ndarray]:
    """Network → shares (slots, movies), averaged over seeds, as notebooks keep them."""
    found = {}
    for cell in NETWORKS:
        for path in (processed / "forecasts").glob(f"??_{cell}-3-mean.npy"):
            found[cell] = np.load(sealed(path), mmap_mode="r")
    return found


def _history_spec(series, slots, names, item, cells) -> dict:
    domain = ["log", *map(label, cells), "to come"]
    colors = ["#999999", *map(color, cells), "#CC4499"]
    axis = {"format": "%b %Y", "labelOverlap": True, "tickCount": 8}
    x = {"field": "t", "type": "temporal", "title": "slot (UTC)", "axis": axis}
    y = {"type": "quantitative", "title": "requests"}
    scale = {"domain": domain, "range": colors}
    steps = [
        {"filter": "datum.m === chosen"},
        {"flatten": ["y", "low", "high"]},
        {"window": [{"op": "row_number", "as": "k"}], "groupby": ["s"]},
        {"calculate": "toDate(slots[datum.at + datum.k - 1])", "as": "t"},
    ]
    see = {"param": "on", "empty": True}
    band = {
        "transform": [{"filter": "isValid(datum.high)"}],
        "mark": {"type": "area", "color": "#CC4499", "opacity": 0.25},
        "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
    }
    line = {
        "mark": {"type": "line", "point": {"size": 12}, "tooltip": True},
        "params": [
            {
                "name": "on",
                "select": {"type": "point", "fields": ["s"]},
                "bind": "legend",
            }
        ],
        "encoding": {
            "x": x,
            "y": y | {"field": "y"},
            "color": {
                "field": "s",
                "type": "nominal",
                "scale": scale,
                "legend": {"title": None, "orient": "top", "columns": 3},
            },
            "opacity": {"condition": see | {"value": 1}, "value": 0},
        },
    }
    picked = {"input": "select", "options": names, "name": f"{item} "}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "params": [
            {"name": "slots", "value": slots},
            {"name": "chosen", "value": names[0], "bind": picked},
        ],
        "data": {"values": series},
        "transform": steps,
        "layer": [band, line],
        "width": "container",
        "height": 260,
        "config": CONFIG,
    }


def score_chart(rows: pd.DataFrame) -> dict:
    """One dot per model; a menu chooses the measure."""
    table = scores(rows)
    measures = [name for name in METRICS if name in table]
    heads = {name: HEADINGS.get(name, name) for name in measures}
    values = [
        {
            "model": label(model),
            "measure": heads[name],
            "value": float(f"{value:.5g}"),
            "loss": float(-value if name in HIGHER_IS_BETTER else value),
            "color": color(model),
        }
        for name in measures
        for model, value in table[name].dropna().items()
    ]
    menu = {"input": "select", "options": list(heads.values()), "name": "measure "}
    box = {"input": "checkbox", "name": "without the worst quarter "}
    rank = {"op": "percent_rank", "as": "rank"}
    order = {"field": "loss", "op": "min", "order": "ascending"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "params": [
            {"name": "measured", "value": heads[measures[0]], "bind": menu},
            {"name": "cut", "value": True, "bind": box},
        ],
        "data": {"values": values},
        "transform": [
            {"filter": "datum.measure === measured"},
            {"window": [rank], "sort": [{"field": "loss"}]},
            {"filter": "!cut || datum.rank <= 0.75"},
        ],
        "mark": {  # an edge keeps dark dots visible in the dark
            "type": "circle",
            "size": 75,
            "opacity": 1,
            "stroke": "currentColor",
            "tooltip": True,
        },
        "encoding": {
            "x": {
                "field": "value",
                "type": "quantitative",
                "title": None,
                "scale": {"zero": False},
            },
            "y": {"field": "model", "type": "nominal", "title": None, "sort": order},
            "fill": {"field": "color", "type": "nominal", "scale": None},
        },
        "width": "container",
        "height": 16 * len(table),
        "config": CONFIG,
    }
