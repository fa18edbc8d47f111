"""Executed notebooks → one report as PDF and HTML, through nbconvert."""

from pathlib import Path

from lib.files import replacing
from lib.text import plural, slot_words

__all__ = ["build_report", "report_title", "whole_document"]


def report_title(meta: dict, run: str) -> str:
    """Title of a report on one data set, from its record; the run's name without."""
    if "slot" not in meta:
        return run.replace("-", " ").capitalize()
    name = Path(str(meta["dataset"])).name
    items = plural(meta.get("item_name", "movie"))
    slot = slot_words(meta["slot"])
    return f"Forecasting the popularity of {items}: {name} by {slot}"


def build_report(
    run_dir: Path,
    *,
    notebooks: list[Path],
    meta: dict,
    title: str,
    figures: Path | None = None,
    processed: Path | None = None,
) -> tuple[Path, Path]:
    """Join executed notebooks into report.pdf and report.html.

    Args:
        run_dir: folder of the run: results.csv and forecast.csv are read there, the
            report written.
        notebooks: executed notebooks, one chapter each.
        meta: what preprocessing recorded about the data (meta.json).
        title: title of the report.
        figures: folder with vector versions of figures, `<id>.svg` or `<id>.pdf`.
        processed: folder of the run's data, for the charts of the HTML.

    Returns:
        Paths of report.pdf and report.html.
    """
    from lib.report.charts import charts, script
    from lib.report.exporters import ReportHTMLExporter, ReportPDFExporter

    document = whole_document(
        run_dir, notebooks=notebooks, meta=meta, title=title, figures=figures
    )
    drawn = charts(run_dir, processed, meta)
    if drawn:
        document.metadata["report"] |= {"charts": drawn, "script": script(drawn)}
    made = []
    for exporter in (ReportPDFExporter(), ReportHTMLExporter()):
        content, _ = exporter.from_notebook_node(document)
        path = run_dir / f"report{exporter.file_extension}"
        with replacing(path) as part:
            part.write_bytes(
                content if isinstance(content, bytes) else content.encode()
            )
        made.append(path)
    return made[0], made[1]


def whole_document(
    run_dir: Path,
    *,
    notebooks: list[Path],
    meta: dict,
    title: str,
    figures: Path | None = None,
):
    """The notebook that exporters print, with its first page and appendix.

    Arguments are those of `build_report`.
    """
    from lib.report.appendix import appendix
    from lib.report.document import join, mark_appendix
    from lib.report.front import front_outputs, front_page

    synthetic = bool(meta.get("synthetic"))
    document = join(notebooks, figures=figures, synthetic=synthetic, meta=meta)
    document.cells[0].outputs = front_outputs(run_dir, meta)
    document.cells += appendix(notebooks, run_dir, meta)
    mark_appendix(document)
    document.metadata["report"] = {
        "title": title,
        "synthetic": synthetic,
        "notebooks": [path.stem for path in notebooks],
        **front_page(run_dir, meta, notebooks),
    }
    return document
