"""One look for every figure: style, a colour per model, saving and showing."""

import io
from collections.abc import Hashable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import Formatter, LogFormatterSciNotation

from lib import paths
from lib.files import replacing
from lib.text import markdown_text, number, shown_text

NETWORKS = ("lstm", "gru", "conv1d_lstm")
# Model → name for readers, colour. Networks have the strong colours of Okabe and Ito's
# colour-blind safe palette (2008), baselines greys and muted tones, so that a reader
# finds the networks at once.
FORECASTERS: dict[Hashable, tuple[str, str]] = {
    "lstm": ("LSTM", "#0072B2"),
    "gru": ("GRU", "#D55E00"),
    "conv1d_lstm": ("Conv1D-LSTM", "#009E73"),
    "conv1d_gru": ("Conv1D-GRU", "#E69F00"),
    "simple_rnn": ("SimpleRNN", "#56B4E9"),
    "bidirectional_lstm": ("Bidirectional LSTM", "#CC79A7"),
    "ewma_count_weighted": ("EWMA, count-weighted", "#000000"),
    "ewma": ("EWMA", "#555555"),
    "moving_average": ("Moving average", "#777777"),
    "cumulative_share": ("Cumulative share", "#999999"),
    "seasonal_naive": ("Seasonal naive", "#B5A27F"),
    "last_value": ("Last value", "#BBBBBB"),
    "lightgbm": ("LightGBM", "#8C564B"),
    "lightgbm_residual": ("LightGBM on the start", "#C49C94"),
    "linear": ("Linear softmax", "#999933"),
    "start": ("Start: EWMA, newcomers", "#444444"),
    "best": ("Best pool", "#882255"),
    "hybrid": ("Hybrid", "#AA4499"),
    "lfu_decayed": ("LFU, decayed", "#44AA99"),
    "s3_fifo": ("S3-FIFO", "#DDCC77"),
    "sieve": ("SIEVE", "#BBBB77"),
    "arc": ("ARC", "#88CCEE"),
    "lirs": ("LIRS", "#CC6677"),
    "w_tinylfu": ("W-TinyLFU", "#661100"),
    "belady": ("Bélády", "#117733"),
    "lru": ("LRU", "#A6761D"),
    "lfu": ("LFU", "#7F7F9F"),
    "oracle": ("Oracle", "#332288"),
    "train": ("train", "#56B4E9"),
    "validation": ("validation", "#D55E00"),
    "test": ("test", "#0072B2"),
}
# The second series, whose models never share a figure with those above
RECOMMENDERS: dict[Hashable, tuple[str, str]] = {
    "neural_cf": ("Neural CF (hybrid report)", "#56B4E9"),
    "neural_cf_tuned": ("Neural CF, tuned", "#0072B2"),
    "next_movie_gru": ("Next movie, GRU", "#D55E00"),
    "next_movie_lstm": ("Next movie, LSTM", "#009E73"),
    "sasrec": ("SASRec", "#F0A500"),
    "blend_next_movie_gru": ("GRU × popularity", "#7A0177"),
    "blend_next_movie_lstm": ("LSTM × popularity", "#FA9FB5"),
    "blend_sasrec": ("SASRec × popularity", "#DD3497"),
    "recommendernet": ("RecommenderNet", "#CC79A7"),
    "recommendernet_plus": ("RecommenderNet with ids", "#882255"),
    "wide_deep": ("Wide & Deep", "#E69F00"),
    "wide_deep_plus": ("Wide & Deep with ids", "#AA7700"),
    "ease": ("EASE", "#000000"),
    "ials": ("iALS", "#555555"),
    "pure_svd": ("PureSVD", "#777777"),
    "item_knn": ("ItemKNN", "#999999"),
    "rp3beta": ("RP3beta", "#6B8E23"),
    "top_pop": ("TopPop", "#BBBBBB"),
    "recent_pop": ("TopPop, last slot", "#D0B49F"),
    "damped_pop": ("TopPop, damped", "#A0522D"),
    "content": ("Content (TF-IDF)", "#8C564B"),
    "content_counts": ("Content (counts)", "#C49C94"),
    "content_people": ("Content (with cast and directors)", "#9C6B5E"),
    "svdpp": ("SVD++", "#332288"),
    "bayesian_fm": ("Bayesian FM", "#117733"),
    "bayesian_fm_history": ("Bayesian FM, no features", "#44AA99"),
    "bayesian_fm_dates": ("Bayesian FM, dated", "#999933"),
    "svm": ("SVM", "#A6761D"),
    "bias": ("Biases", "#AAAAAA"),
}
MODELS = RECOMMENDERS | FORECASTERS
LABELS: dict[Hashable, str] = {name: text for name, (text, _) in MODELS.items()}
LABELS |= {  # models that no chart draws, and measures
    "blind": "Blind LSTM",
    "dense": "Dense",
    "auto_ets": "AutoETS",
    "tsb": "TSB",
    "croston": "Croston",
    "nf_lstm": "neuralforecast LSTM",
    "nf_gru": "neuralforecast GRU",
    "nf_nhits": "neuralforecast NHITS",
    "fracast": "Fracast",
    "ensemble": "Ensemble of the networks",
    "memory_1e+09": "memory_all",  # a half-life beyond any log: nothing is forgotten
    "hr_at_10": "HR@10",
    "ndcg_at_10": "NDCG@10",
    "full_hr_at_10": "HR@10, all",
    "full_ndcg_at_10": "NDCG@10, all",
    "fit_seconds": "fit (s)",
    "fit_cpu_seconds": "fit (CPU s)",
    "mrr": "MRR",
    "novelty": "novelty (bits)",
    "popularity_bias": "popularity bias",
    "rmse": "RMSE",
    "mae": "MAE",
    "mse": "MSE",
    "model_mb": "size (MB)",
    "movie_mean": "Movie's mean",
}
OTHER = "#AAAAAA"
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
WIDTH = 6.3  # inches: the text width of an A4 page
PNG_DPI, LONGEST = 110, 1000  # characters of a caption
STRIP = 0.14  # inches at the bottom of a figure


def use_style() -> None:
    """Set fonts, grid and colours once for a whole notebook."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind")
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.2),
            "figure.dpi": PNG_DPI,
            "figure.constrained_layout.use": True,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "grid.linewidth": 0.5,
            "date.converter": "concise",
            "text.parse_math": False,  # a title may hold dollars
            "svg.hashsalt": "popularity",  # the same figure gives the same bytes
            "svg.fonttype": "path",
        }
    )


def clean_figure(fig: Figure) -> None:
    """Make every text of a figure fit to be drawn, titles from data included."""
    for axes in fig.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for ticks in (axis.major, axis.minor):
                if ticks.formatter:
                    _clean_labels(ticks.formatter)
    for text in fig.findobj(Text):
        text.set_text(_clean(text.get_text()))


def _clean_labels(formatter: Formatter) -> None:
    """Clean the labels of ticks, which are made anew whenever a figure is drawn."""
    as_made = formatter.format_ticks
    powers = isinstance(formatter, LogFormatterSciNotation)  # "$10^{3}$": as numbers

    def format_ticks(values) -> list[str]:
        return [
            f"{value:,.9g}" if powers and text else _clean(text)
            for value, text in zip(values, as_made(values), strict=True)
        ]

    formatter.format_ticks = format_ticks


def _clean(text: str) -> str:
    return "\n".join(shown_text(line) for line in str(text).split("\n"))


def color(model: Hashable) -> str:
    """Colour of a model, the same in every notebook."""
    return MODELS.get(model, ("", OTHER))[1]


def label(model: Hashable) -> str:
    """Name of a model or measure as a reader sees it."""
    return LABELS.get(model, str(model))


def line_legend(fig: Figure, colors: dict[str, str]) -> None:
    """One legend below all panels: the name of each colour of a line."""
    lines = [plt.Line2D([], [], color=c, label=name) for name, c in colors.items()]
    fig.legend(handles=lines, loc="outside lower center", ncols=len(lines))


def is_synthetic(run: str) -> bool:
    """Whether a run's data were generated by this project."""
    return bool(paths.recorded(run).get("synthetic"))


def save_figure(fig: Figure, figure_id: str, caption: str, run: str) -> Path:
    """Save a figure as PNG and SVG under figures/<run>/ and show it.

    Args:
        fig: the figure; it is closed afterwards.
        figure_id: notebook number and subject, for example "03_lstm_loss".
        caption: what the figure shows; the report prints it below the figure.
        run: name of the run, which names the folder.

    Returns:
        Path of the PNG file.
    """
    if is_synthetic(run):
        engine = fig.get_layout_engine()
        if isinstance(engine, ConstrainedLayoutEngine):
            # keep a strip free for the word
            strip = STRIP / fig.get_figheight()
            engine.set(rect=(0, strip, 1, 1 - strip))
        fig.text(0.99, 0.005, "synthetic data", ha="right", va="bottom", size=6)
        caption += " Synthetic data."
    clean_figure(fig)
    folder = paths.FIGURES / run
    folder.mkdir(parents=True, exist_ok=True)
    for kind, own in (("svg", {"Date": None}), ("png", {"Software": None})):
        with replacing(folder / f"{figure_id}.{kind}") as part:
            fig.savefig(part, metadata=own)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    plt.close(fig)
    display(
        {"image/png": buffer.getvalue(), "text/plain": f"<figure {figure_id}>"},
        raw=True,
        metadata={"caption": shown_text(caption, LONGEST), "id": figure_id},
    )
    show_caption(caption)
    return folder / f"{figure_id}.png"


def show_caption(caption: str) -> None:
    """Show a caption in the notebook; the report sets it by the figure or table."""
    text = f"*{markdown_text(caption, LONGEST)}*"
    display({"text/markdown": text}, raw=True, metadata={"is_caption": True})


def _short(column: pd.Series, digits: int) -> pd.Series:
    """A column of numbers; as text where `number` leaves digits of them out."""
    long = (column.abs() >= 10) & (column % 1 != 0)
    if not long.any():
        return column
    return column.map(lambda value: number(value, digits), na_action="ignore")


def show_table(
    table: pd.DataFrame, caption: str, run: str, decimals: int | dict = 4
) -> None:
    """Show a table with a caption that the report prints above it.

    Args:
        table: at most 8 columns, so that it fits a page.
        caption: what the table shows, with units.
        run: name of the run; a synthetic one is named so.
        decimals: digits after the point, for all or for each column; from ten on a
            number has four digits in all.
    """
    if is_synthetic(run):
        caption += " Synthetic data."
    shown = table.map(lambda x: shown_text(x) if isinstance(x, str) else x)
    for axis in (0, 1):
        names = shown.axes[axis]
        if not isinstance(names, pd.MultiIndex) and names.dtype == "str":
            shown = shown.set_axis(names.map(shown_text), axis=axis)
    for name in table.select_dtypes("number"):
        digits = decimals.get(name, 4) if isinstance(decimals, dict) else decimals
        shown[name] = _short(table[name].round(digits), digits)
    show_caption(caption)
    display(
        {
            "text/html": shown.to_html(border=0, na_rep="–"),
            "text/plain": shown.to_string(na_rep="–"),
        },
        raw=True,
        metadata={"caption": shown_text(caption, LONGEST)},
    )
