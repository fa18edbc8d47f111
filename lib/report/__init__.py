"""Executed notebooks → one report as PDF and HTML, through nbconvert."""

from pathlib import Path

from lib.report.appendix import appendix
from lib.report.document import join

COUNTS = ("Ratings", "rows"), ("Users", "users"), ("Movies", "movies")
__all__ = ["build_report", "report_title"]


def report_title(meta: dict, run: str) -> str:
    """Title of a report on one data set, from its record; the run's name without."""
    if "slot" not in meta:
        return run.replace("-", " ").capitalize()
    name = Path(str(meta["dataset"])).name
    return f"Forecasting the popularity of movies: {name} by {slot_words(meta['slot'])}"


def slot_words(slot: str) -> str:
    """A slot's name for readers: "week", "7 days"."""
    slot = str(slot).lower()
    if slot[:-1].isdecimal() and slot.endswith("d"):
        return f"{slot[:-1]} days"
    return slot


def title_facts(meta: dict) -> list[tuple[str, str]]:
    """Lines of the title page."""
    if "dataset" not in meta:
        return []
    first, last = (str(meta.get(f"{end}_date", ""))[:10] for end in ("first", "last"))
    synthetic = " (synthetic)" if meta.get("synthetic") else ""
    counts = [
        (label, f"{meta[key]:,}")
        for label, key in (
            ("Ratings", "rows"),
            ("Users", "users"),
            ("Movies", "movies"),
        )
        if key in meta
    ]
    facts = [
        ("Data set", f"{Path(str(meta['dataset'])).name}{synthetic}"),
        ("Dates", f"{first} to {last}"),
        *counts,
    ]
    if "slots" not in meta:  # the recommenders cut nothing into slots
        return facts
    slots = f"{meta['slots']:,} of one {slot_words(meta['slot'])}"
    if slot_words(meta["slot"])[0].isdecimal():
        slots = f"{meta['slots']:,} of {slot_words(meta['slot'])}"
    return [*facts, ("Slots", slots)]


def build_report(
    run_dir: Path,
    *,
    notebooks: list[Path],
    meta: dict,
    title: str,
    figures: Path | None = None,
) -> tuple[Path, Path]:
    """Join executed notebooks into report.pdf and report.html.

    Args:
        run_dir: folder of the run: results.csv is read there, the report written.
        notebooks: executed notebooks, one chapter each.
        meta: what preprocessing recorded about the data (meta.json).
        title: title of the report.
        figures: folder with vector versions of figures, `<id>.svg` or `<id>.pdf`.

    Returns:
        Paths of report.pdf and report.html.
    """
    from lib.report.exporters import ReportHTMLExporter, ReportPDFExporter

    synthetic = bool(meta.get("synthetic"))
    document = join(notebooks, figures=figures, synthetic=synthetic)
    document.cells += appendix(notebooks, run_dir, meta)
    document.metadata["report"] = {
        "title": title,
        "facts": title_facts(meta),
        "synthetic": synthetic,
        "notebooks": [path.stem for path in notebooks],
    }
    made = []
    for exporter in (ReportPDFExporter(), ReportHTMLExporter()):
        content, _ = exporter.from_notebook_node(document)
        path = run_dir / f"report{exporter.file_extension}"
        draft = path.with_suffix(".tmp")
        data = content if isinstance(content, bytes) else content.encode()
        draft.write_bytes(data)
        draft.replace(path)
        made.append(path)
    return made[0], made[1]
