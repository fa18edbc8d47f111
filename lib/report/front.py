"""The first page: who, when, which data, the findings, the next slot, one figure."""

import io
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import yaml
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output

from lib.errors import UserError
from lib.paths import ROOT
from lib.report.document import table_output
from lib.report.findings import abstract, read_rows, score_figure
from lib.text import plural, shown_text, slot_words

TOP = 10  # rows of the forecast on the first page
NUMBERS = ("rank", "share", "expected", "low50", "high50", "low95", "high95", "change")


def front_page(run_dir: Path, meta: dict, notebooks: list[Path]) -> dict:
    """Texts of the first page: byline, facts and abstract.

    Args:
        run_dir: folder with the run's results.csv.
        meta: what preprocessing recorded about the data.
        notebooks: executed notebooks; the last start dates the report.
    """
    rows = read_rows(run_dir / "results.csv")
    code = f"version {version('movie-popularity')}"
    return {
        "byline": " · ".join(filter(None, [_authors(), _date(notebooks), code])),
        "facts": title_facts(meta),
        "abstract": abstract(rows, meta.get("item_name", "movie")),
    }


def front_outputs(run_dir: Path, meta: dict) -> list[NotebookNode]:
    """The forecast of the next slot and the figure that shows the result."""
    rows = read_rows(run_dir / "results.csv")
    outputs = [forecast_table(run_dir / "forecast.csv", meta), _figure(rows, meta)]
    return [output for output in outputs if output]


def title_facts(meta: dict) -> list[tuple[str, str]]:
    """The data in a few words, each with its label."""
    if "dataset" not in meta:
        return []
    first, last = (str(meta.get(f"{end}_date", ""))[:10] for end in ("first", "last"))
    synthetic = " (synthetic)" if meta.get("synthetic") else ""
    items = plural(meta.get("item_name", "movie")).capitalize()
    counted = {"rows": "Requests", "users": "Users", "movies": items}
    facts = [
        ("Data set", f"{shown_text(Path(str(meta['dataset'])).name)}{synthetic}"),
        ("Dates", f"{first} to {last}"),
        *((name, f"{meta[key]:,}") for key, name in counted.items() if meta.get(key)),
    ]
    if "slots" in meta:  # the recommenders cut nothing into slots
        words = slot_words(meta["slot"])
        one = "" if words[0].isdecimal() else "one "
        facts.append(("Slots", f"{meta['slots']:,} of {one}{words}"))
    return facts


def forecast_table(path: Path, meta: dict) -> NotebookNode | None:
    """The first rows of the forecast of the next slot; None where there is none."""
    if not path.is_file():
        return None
    try:
        rows = pd.read_csv(path, dtype={"title": str, "slot": str})
        rows = rows[rows["slot"] == rows["slot"].iloc[0]].head(TOP)
        rows = rows.astype(dict.fromkeys(NUMBERS, float) | {"rank": int, "new": bool})
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(
            f"{path}: damaged; expected what make forecast wrote; run that again"
        ) from error
    item = meta.get("item_name", "movie")
    shown = pd.DataFrame({"rank": rows["rank"]})
    names = rows["title"].fillna(rows["movieId"].astype(str))
    shown[item] = names.map(lambda title: shown_text(title, 48))
    shown["share (%)"] = rows["share"].map("{:.2%}".format).str.rstrip("%")
    shown["requests"] = rows["expected"].map("{:,.0f}".format)
    for level in (50, 95):
        ends = rows[[f"low{level}", f"high{level}"]].round().astype(int)
        shown[f"{level} % interval"] = [
            f"{low:,}–{high:,}" for low, high in ends.values
        ]
    change = rows["change"].round().map(lambda n: f"{n:+,.0f}" if n else "0")
    shown["change"] = change.mask(rows["new"], "new")
    text = f"Forecast for the slot {shown_text(rows['slot'].iloc[0])}: "
    text += f"the {len(rows)} {plural(item)} with the most requests, the intervals of "
    text += "their number, and the change since the last slot"
    text += ". Synthetic data." if meta.get("synthetic") else "."
    return table_output(shown.to_html(index=False, border=0), text)


def _figure(rows: pd.DataFrame, meta: dict) -> NotebookNode | None:
    svg = io.StringIO()
    with plt.rc_context():  # the style of the figure stays in here
        fig = score_figure(rows)
        if fig is None:
            return None
        fig.savefig(svg, format="svg", metadata={"Date": None})
        plt.close(fig)
    text = "Cross-entropy per request of every forecast on the test slots; less is "
    text += "better, an arrow stands for a value off the scale."
    text += " Synthetic data." if meta.get("synthetic") else ""
    return new_output(
        "display_data",
        {"image/svg+xml": svg.getvalue()},
        metadata={"report": {"kind": "figure", "caption": text}},
    )


def _authors() -> str:
    """Names in CITATION.cff; empty where the package lies without it."""
    path = ROOT / "CITATION.cff"
    if not path.is_file():
        return ""
    authors = yaml.safe_load(path.read_text("utf-8"))["authors"]
    keys = ("name", "given-names", "family-names")
    return ", ".join(" ".join(a[k] for k in keys if k in a) for a in authors)


def _date(notebooks: list[Path]) -> str:
    """Day on which the last notebook started; empty where papermill ran none."""
    starts = [
        nbformat.read(path, as_version=4)
        .metadata.get("papermill", {})
        .get("start_time", "")
        for path in notebooks
    ]
    return max(starts, default="")[:10]
