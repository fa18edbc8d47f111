"""What every notebook does alike: name its run, save figures, tables and numbers."""

from collections.abc import Mapping

import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from lib import paths
from lib.errors import UserError
from lib.figures.style import save_figure, show_table, use_style
from lib.results import Results
from lib.text import spoken


class Notebook:
    """One notebook of one run.

    Attributes:
        name: notebook without suffix, such as "03_lstm".
        run: name of the run, which names the folders.
        processed: folder of the run's data.
        results: the notebook's rows of results.csv.
    """

    def __init__(self, name: str, dataset: str, slot: str, run: str = ""):
        """Set the style of the figures and name the run.

        Args:
            name: notebook without suffix.
            dataset: name or path of a data set.
            slot: kind of slot.
            run: name of the run; empty for `<dataset>-<slot>`.
        """
        use_style()
        show_mistakes_in_one_line()
        self.name = name
        self.run = run or paths.run_name(dataset, slot)
        self.processed = paths.PROCESSED / self.run
        self.results = Results(self.run, name)
        self.number = name.split("_")[0]

    @property
    def meta(self) -> dict:
        """What preprocessing recorded about the data; empty before it ran."""
        return paths.recorded(self.run)

    def spoken(self, text: str) -> str:
        """A text of ours that names what is requested as the data do."""
        return spoken(text, self.meta.get("item_name", "movie"))

    def figure(self, fig: Figure | None, subject: str, caption: str) -> None:
        """Save and show a figure; None, for data that it does not suit, shows nothing.

        Titles of panels and names of axes are ours, and speak of what is requested.
        """
        if fig is None:
            return
        for axes in fig.axes:
            for place in ("left", "center"):
                title = axes.get_title(loc=place)
                axes.set_title(self.spoken(title), loc=place)
            for name in (axes.xaxis.label, axes.yaxis.label):
                name.set_text(self.spoken(name.get_text()))
        name = f"{self.number}_{subject}"
        save_figure(fig, name, self.spoken(caption), self.run)

    def table(self, table: pd.DataFrame, caption: str, decimals=4) -> None:
        """Show a table with a caption; names of columns speak of what is requested."""
        told = {n: self.spoken(n) for n in table.columns if isinstance(n, str)}
        named = table.rename(columns=told)
        show_table(named, self.spoken(caption), self.run, decimals)

    def say(self, *lines: str) -> None:
        """Show what numbers say, in Markdown: a sentence, or a list of several."""
        listed = lines if len(lines) == 1 else [f"- {line}" for line in lines]
        display(Markdown(self.spoken("\n".join(listed))))

    def record(self, model: str, split: str, metrics: Mapping, **names) -> None:
        """Keep one row per metric for results.csv, which `save` writes.

        The arguments are those of `lib.results.Results.add`.
        """
        self.results.add(model, split, metrics, **names)

    def save(self) -> str:
        """Write the notebook's rows and say how many there are."""
        rows = self.results.save()
        return f"{len(rows)} rows of {self.name} in report/{self.run}/results.csv"


def show_mistakes_in_one_line() -> None:
    """Let the notebook show a `UserError` without a traceback; the cell still fails."""
    shell = get_ipython()
    if shell is not None:

        def show(shell, kind, error, traceback, tb_offset=None):
            shell._showtraceback(kind, error, [str(error)])

        shell.set_custom_exc((UserError,), show)
