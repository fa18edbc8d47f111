"""What every notebook of the recommenders does alike: read its data, name its run."""

from collections.abc import Mapping

from lib.notebook import Notebook
from lib.recommenders.data import RatingData, load, run_name

# What is scored under protocols that hold nothing out
SPLITS = {"train_rows": "train", "all_rows": "all"}


class RecommenderNotebook(Notebook):
    """One notebook of the recommenders, see `lib.notebook.Notebook`.

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
        self.data = load(dataset, self.run)

    def record(self, model: str, protocol: str, metrics: Mapping, **names) -> None:
        """Keep one row per metric for results.csv; `save` writes them.

        Args:
            model: stable name, such as "ease".
            protocol: what is held out and how, such as "u1".
            metrics: name → value.
            **names: setting and seed of `lib.results.Results.add`.
        """
        split = SPLITS.get(protocol, "test")
        self.results.add(model, split, metrics, protocol=protocol, **names)
