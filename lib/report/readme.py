"""Writes the results of the stored runs into README.md: `python -m lib.readme`.

Each block of tables stands between two comments and is made from
report/<run>/results.csv, so that no number in the README is typed by hand.
"""

import re

import pandas as pd

from lib.evaluation.metrics import HIGHER_IS_BETTER
from lib.experiments.wording import AIMS, aims_conclusion
from lib.figures import style as labels
from lib.figures.style import NETWORKS, label
from lib.paths import ROOT
from lib.recommenders.comparison import headline_table, ranking_table
from lib.recommenders.rating.evaluate import FIVE_FOLD, RANDOM, U1

START, END = "<!-- results: made by `make readme` -->", "<!-- end of results -->"
SECOND_START = "<!-- recommenders: made by `make readme` -->"
SECOND_END = "<!-- end of recommenders -->"
RECOMMENDERS = {
    "recommenders-ml-100k": "MovieLens 100K",
    "recommenders-ml-latest-small-2016": "MovieLens Latest Small (October 2016)",
}
PROTOCOLS = {RANDOM: "random fifth", U1: "u1", FIVE_FOLD: "five folds"}
RUNS = {
    "ml-100k-7d": "MovieLens 100K, 7-day slots",
    "ml-1m-first-2999-users-7d": "MovieLens 1M, users 1–2999, first 57 7-day slots",
    "ml-latest-small.zip-91d": "MovieLens Latest Small (2018), 91-day slots",
}
EXPERIMENTS = "ml-100k-7d"
MODELS = (
    *("last_value", "moving_average", "ewma", "ewma_count_weighted"),
    *("cumulative_share", "seasonal_naive", "lightgbm"),
    *("lstm", "gru", "conv1d_lstm", "ensemble"),
)
COLUMNS = {
    "cross_entropy": ("cross-entropy", 1, 4),
    "rmse": ("RMSE ·10⁻³", 1e3, 4),
    "ndcg_at_10": ("NDCG@10", 1, 3),
    "hit_ratio_at_50": ("hits@50", 1, 3),
}


def stored(run: str) -> pd.DataFrame:
    """Rows of a run's results.csv in the repository.

    It is always the repository's, wherever POPULARITY_OUTPUT sends new ones.
    """
    path = ROOT / "report" / run / "results.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    return rows.astype({"value": float})


def compared(run: str) -> pd.DataFrame:
    """Scores of the test slots of one run, one row per model."""
    rows = stored(run).query(
        "notebook == '06_compare_models' and split == 'test' and model in @MODELS "
        "and protocol == ''"
    )
    return rows.pivot(index="model", columns="metric", values="value")


def run_table(table: pd.DataFrame) -> str:
    """Markdown table of what `compared` gives; the best of a column is bold."""
    floor = table["rmse_floor"].iloc[0]
    table = table.loc[[m for m in MODELS if m in table.index]].rename(index=label)
    shown = {
        title: as_text(scale * table[column], digits, column in HIGHER_IS_BETTER)
        for column, (title, scale, digits) in COLUMNS.items()
    }
    last = f"| *noise floor* | | *{1e3 * floor:.4f}* | | |"
    return markdown(pd.DataFrame(shown).rename_axis("model")) + "\n" + last


def rolling_line(run: str) -> str:
    """Sentence on the ensemble against every opponent, over several cut-offs.

    Empty for a run without them (ORIGINS=0).
    """
    rows = stored(run).query("protocol == 'rolling' and setting != ''")
    if rows.empty:
        return ""
    ends = rows.pivot(index="setting", columns="metric", values="value")
    ends = ends.rename(index=lambda setting: setting.removeprefix("minus "))
    better = ends["cross_entropy_high"] < 0
    text = (
        "Several cut-offs, every model fitted anew: in cross-entropy the ensemble is "
        f"better beyond chance (95 % interval) than {better.sum()} of {len(ends)} "
        "opponents"
    )
    rest = [label(name) for name in ends.index[~better]]
    text += f"; not than {', '.join(rest)}." if rest else "."
    worse = {"RMSE": ends["rmse_low"] > 0, "hits@50": ends["hit_ratio_at_50_high"] < 0}
    for title, beaten in worse.items():
        names = ", ".join(label(name) for name in ends.index[beaten])
        text += f" In {title} it is worse beyond chance than {names or 'none'}."
    return text


def experiments_line(run: str) -> str:
    """Sentence on what decides a network's rank in the grid of `make experiments`.

    Args:
        run: one of RUNS, whose data the grid was trained on.
    """
    rows = stored(f"experiments-{run}").query("metric == 'explained'")
    shares = rows.set_index("setting")["value"].sort_values(ascending=False)
    told = [f"{name.replace('_', ' ')} {share:.1%}" for name, share in shares.items()]
    return (
        f"The whole grid of `make experiments`, {RUNS[run]}; share of the order of the "
        f"networks on the validation slots that a choice explains: {', '.join(told)}."
    )


def results_block() -> str:
    """Everything between the two comments."""
    parts = [START]
    for run, title in RUNS.items():
        _, aims = AIMS[run]
        table = compared(run)
        told = aims_conclusion(aims, table, [*NETWORKS, "ensemble"])
        parts += [f"**{title}**", run_table(table), told, rolling_line(run)]
    parts.append(experiments_line(EXPERIMENTS))
    return "\n\n".join([*filter(None, parts), END])


def markdown(table: pd.DataFrame) -> str:
    """A table of texts; its index becomes the first column."""
    lines = [f"| {table.index.name} | " + " | ".join(table) + " |"]
    lines.append("| --- |" + " ---: |" * table.shape[1])
    for name, row in table.iterrows():
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines)


def as_text(column: pd.Series, digits: int, higher: bool) -> pd.Series:
    """Numbers as text, the best one (the highest or the lowest) bold, gaps empty."""
    best = column.max() if higher else column.min()
    text = column.map(f"{{:.{digits}f}}".format).mask(column.isna(), "")
    return text.mask(column == best, "**" + text + "**")


def _name(model: str) -> str:
    """Label of a recommender; one without a label is named as in results.csv."""
    base = next((n for n in labels.LABELS if model.startswith(f"{n}_as")), model)
    rest = model.removeprefix(base).replace("_", " ")
    return labels.LABELS.get(base, base.replace("_", " ").capitalize()) + rest


def rating_rmse(rows: pd.DataFrame) -> pd.DataFrame:
    """RMSE in stars of the rating models by protocol, best first.

    Steps on the way to a model are left out.
    """
    found = rows[(rows["metric"] == "rmse") & rows["protocol"].isin(PROTOCOLS)]
    found = found[~found["model"].str.contains("_step_")]
    table = found.pivot_table(index="model", columns="protocol", values="value")
    table = table[[name for name in PROTOCOLS if name in table]]
    table = table.dropna(subset=RANDOM).sort_values(RANDOM)
    return table.rename(index=_name, columns=PROTOCOLS).rename_axis("model")


def recommenders_block() -> str:
    """The tables of the recommenders' stored runs between their two comments."""
    parts = [SECOND_START]
    for run, title in RECOMMENDERS.items():
        rows = stored(run)
        ranking = ranking_table(rows)
        columns = ["hr_at_10", "ndcg_at_10", "full_hr_at_10", "full_ndcg_at_10"]
        ranking = ranking[columns].rename(_name).rename_axis("model")
        ranking = ranking.rename(columns=labels.label)
        headlines = headline_table(rows).set_index("headline", append=True)
        headlines = headlines[["same protocol here", "sound protocol here"]].dropna()
        headlines.index = [f"{name}: {value}" for name, value in headlines.index]
        shown = headlines.map("{:.3f}".format).rename_axis("headline")
        parts += [
            f"**{title}**: RMSE of ratings in stars, held-out rows",
            markdown(rating_rmse(rows).apply(as_text, digits=4, higher=False)),
            f"**{title}**: each user's last movie, against 99 unseen ones and all",
            markdown(ranking.apply(as_text, digits=3, higher=True)),
            f"**{title}**: the headlines of the other reports, repeated on these data",
            markdown(shown),
        ]
    return "\n\n".join([*parts, SECOND_END])


def with_results(text: str) -> str:
    """The README with its blocks of results replaced."""
    blocks = {
        (START, END): results_block,
        (SECOND_START, SECOND_END): recommenders_block,
    }
    for (start, end), block in blocks.items():
        pattern = re.escape(start) + ".*" + re.escape(end)
        text = re.sub(pattern, lambda _, b=block: b(), text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_results(path.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{path.name}: results of {len(RUNS) + len(RECOMMENDERS)} runs")
