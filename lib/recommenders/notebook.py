"""What every notebook of the recommenders does alike: read its data, name its run."""

from IPython.display import Markdown, display

from lib.notebook import Notebook
from lib.recommenders.data import RatingData, load, run_name
from lib.results import Results
from lib.schema import RECOMMENDER_COLUMNS


class RecommenderNotebook(Notebook):
    """One notebook of the recommenders, see `lib.notebook.Notebook`.

    `record(model, protocol, metrics, seed=…)` keeps rows for results.csv, whose columns
    are `lib.schema.RECOMMENDER_COLUMNS`.

    Attributes:
        data: ratings, movies and users of the data set.
    """

    data: RatingData

    def __init__(self, name: str, dataset: str, run: str = ""):
        """Read the data set and name the run.

        Args:
            name: notebook without suffix.
            dataset: name or path of a data set.
            run: name of the run; empty for `recommenders-<dataset>`.

        Raises:
            UserError: the data set cannot be read.
        """
        super().__init__(name, dataset, "", run or run_name(dataset))
        self.results = Results(self.run, name, RECOMMENDER_COLUMNS)
        self.data = load(dataset, self.run)

    def say(self, *lines: str) -> None:
        """Show a sentence, or a list where there are several lines."""
        display(Markdown(lines[0] if len(lines) == 1 else bullets(lines)))


def bullets(lines) -> str:
    """Lines as a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)
