"""nbconvert exporters of a joined report: Typst source, PDF, and one HTML file."""

import base64
import json
import re
import struct
import tempfile
from pathlib import Path

import typst
from bs4 import BeautifulSoup, Tag
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.preprocessors import Preprocessor
from nbformat.notebooknode import NotebookNode
from traitlets import List, Unicode
from traitlets.config import Config

from lib.report import tables
from lib.report.document import join_nodes, mark_appendix
from lib.report.markup import PERCENT, inline, render
from lib.text import printable

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = {
    "image/svg+xml": ".svg",
    "application/pdf": ".pdf",
    "image/png": ".png",
    "image/jpeg": ".jpg",
}

HIGH = 0.5  # height over width of a figure that floats


class RenderPreprocessor(Preprocessor):
    """Puts the translation of every text and table beside its source.

    It fills `metadata.report.rendered` of cells and outputs, and collects images in
    `resources["outputs"]` by file name.
    """

    to = Unicode("typst", help="typst or html").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple:
        """Translate a notebook, joined (`lib.report.document`) or single."""
        if "report" not in nb.metadata:  # a single notebook
            nb = join_nodes({resources["metadata"]["name"] or "notebook": nb})
            mark_appendix(nb)
        texts, places, anchors, computed = [], [], {}, set()

        def translate(text: str, place: dict) -> None:
            texts.append(text)
            places.append(place)

        for cell in nb.cells:
            report = cell.metadata.setdefault("report", {})
            if cell.cell_type == "markdown":
                if "chapter" in report:
                    anchors[len(texts)] = report["chapter"]
                translate(cell.source, report)
                continue
            if cell.cell_type != "code":
                continue
            for output in cell.outputs:
                how = output.metadata["report"]
                self._output(output, how, resources)
                if how["kind"] == "markdown":
                    computed.add(len(texts))
                    translate(output.data["text/markdown"], how)
        references = [{"text": item} for item in nb.metadata.get("references", [])]
        for reference in references:
            translate(reference["text"], reference)
        rendered = render(texts, self.to, anchors, computed)
        for place, text in zip(places, rendered, strict=True):
            place["rendered"] = text
        resources["references"] = [inline(item["rendered"]) for item in references]
        resources["report"] = nb.metadata.get("report", {})
        return nb, resources

    def _output(self, output: NotebookNode, how: dict, resources: dict) -> None:
        mime, data = next(iter(output.data.items()))
        if how["kind"] == "table":
            if self.to == "typst":
                how["rendered"], layout = tables.to_typst(data)
                how.update(layout)
            else:
                how["rendered"] = tables.to_html(data)
        elif how["kind"] == "figure":
            files = resources["outputs"] = resources["outputs"] or {}
            is_text = mime == "image/svg+xml"
            content = data.encode() if is_text else base64.b64decode(data)
            how["high"] = is_high(content)
            how["file"] = f"figure-{len(files) + 1}{SUFFIX[mime]}"
            files[how["file"]] = content
            how["uri"] = f"data:{mime};base64,{base64.b64encode(content).decode()}"


def is_high(image: bytes) -> bool:
    """Whether a figure as wide as the text takes more than a third of a page."""
    if image.startswith(b"\x89PNG"):
        size = struct.unpack(">2I", image[16:24])
    else:
        found = re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"', image)
        size = tuple(map(float, found.groups())) if found else (1, 0)
    return size[1] > HIGH * size[0]


class ReportTypstExporter(TemplateExporter):
    """A report as Typst source; `resources["outputs"]` holds its images."""

    export_from_notebook = "Report (Typst)"
    output_mimetype = "text/x-typst"
    file_extension = Unicode(".typ")
    template_extension = Unicode(".typ.j2")
    template_name = Unicode("report_typst")
    extra_template_basedirs = List(Unicode(), [str(TEMPLATES)])

    def _init_preprocessors(self) -> None:
        super()._init_preprocessors()
        self.register_preprocessor(RenderPreprocessor(to="typst"), enabled=True)

    def default_filters(self):
        """Add the filter that makes any string safe in Typst code."""
        yield from super().default_filters()
        yield "typst_string", typst_string


def compiled(source: str, images: dict[str, bytes], **options) -> bytes | list[bytes]:
    """Compile Typst source with the layout of the report.

    Args:
        source: what ReportTypstExporter gives.
        images: name → content, its `resources["outputs"]`.
        options: of `typst.compile`, such as `format`. With `pdf_standards=["ua-1"]`
            the PDF is tagged for screen readers, and typst checks that it is whole.
    """
    layout = TEMPLATES / "report_typst" / "report.typ"
    files = {"report.typ": layout.read_bytes(), "main.typ": source.encode(), **images}
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():
            Path(name, file).write_bytes(content)
        return typst.compile(
            Path(name, "main.typ"), ignore_system_fonts=True, **options
        )


class ReportPDFExporter(ReportTypstExporter):
    """A report as PDF, compiled by the typst wheel with the fonts inside it."""

    export_from_notebook = "Report (PDF)"
    output_mimetype = "application/pdf"
    file_extension = Unicode(".pdf")

    def from_notebook_node(self, nb, resources=None, **keywords):
        """Translate a notebook to PDF."""
        source, resources = super().from_notebook_node(nb, resources, **keywords)
        images = resources["outputs"] or {}
        try:
            pdf = compiled(source, images, pdf_standards=["ua-1"])
        except typst.TypstError as error:
            # A title may hold a sign that no font inside the wheel can show, which
            # PDF/UA forbids: a report with an empty box is better than none.
            if "could not be displayed" not in str(error):
                raise
            pdf = compiled(source, images)
        resources["outputs"] = {}
        resources["output_extension"] = ".pdf"
        return pdf, resources


class ReportHTMLExporter(HTMLExporter):
    """A report as one HTML file that loads nothing from elsewhere."""

    export_from_notebook = "Report (HTML)"
    template_name = Unicode("report_html")
    extra_template_basedirs = List(Unicode(), [str(TEMPLATES)])

    @property
    def default_config(self) -> Config:
        """Outputs arrive with one form each, so nothing is left to choose."""
        config = Config({"HighlightMagicsPreprocessor": {"enabled": False}})
        config.merge(super().default_config)
        return config

    def _init_preprocessors(self) -> None:
        super()._init_preprocessors()
        self.register_preprocessor(RenderPreprocessor(to="html"), enabled=True)

    def _init_resources(self, resources):
        resources = super()._init_resources(resources)
        style = TEMPLATES / "report_html" / "style.css"
        resources["style"] = style.read_text()
        return resources

    def from_notebook_node(self, nb, resources=None, **keywords):
        """Translate a notebook to HTML with contents."""
        html, resources = super().from_notebook_node(nb, resources, **keywords)
        resources["outputs"] = {}
        return add_contents(html), resources


def add_contents(html: str) -> str:
    """Number the headings and fill the element `#contents` with links to them."""
    page = BeautifulSoup(html, "html.parser")
    place = page.find(id="contents")
    if place is None:
        return html
    top = page.new_tag("ol")
    place.append(top)
    count, appendix = [0, 0, 0], False
    for heading in page.select("main h1, main h2, main h3"):
        if heading.find_parent(class_="appendix") and not appendix:
            count, appendix = [0, 0, 0], True
        level = int(heading.name[1])
        number = ""
        if not heading.find_parent(class_="references"):
            count = [*count[: level - 1], count[level - 1] + 1, 0, 0][:3]
            first = chr(64 + count[0]) if appendix else str(count[0])
            number = ".".join([first, *map(str, count[1:level])])
        text = heading.get_text(" ", strip=True)
        if number:
            mark = page.new_tag("span", attrs={"class": "number-of"})
            mark.string = number
            heading.insert(0, mark)
        if level < 3 and heading.get("id"):
            link = page.new_tag("a", href=f"#{heading['id']}")
            link.string = f"{number} {text}".strip()
            item = page.new_tag("li")
            item.append(link)
            _nested(page, top, level).append(item)
    return str(page)


def _nested(page: BeautifulSoup, top: Tag, level: int) -> Tag:
    """The list that an entry of the contents belongs to."""
    if level == 1 or not top.contents:
        return top
    chapter = top.find_all("li", recursive=False)[-1]
    inner = chapter.ol
    if inner is None:
        inner = page.new_tag("ol")
        chapter.append(inner)
    return inner


def typst_string(text: str) -> str:
    """A Typst string literal; JSON's escapes of quotes and line ends are Typst's."""
    shown = PERCENT.sub("\u00a0%", printable(str(text)).replace("\t", "    "))
    return json.dumps(shown, ensure_ascii=False)
