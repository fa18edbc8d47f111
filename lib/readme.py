"""Writes the results of the stored runs into README.md: `python -m lib.readme`.

The tables stand between two comments and are made from report/<run>/results.csv, so
that no number in the README is typed by hand.
"""

import re

import pandas as pd

from lib.paths import ROOT
from lib.plots import label

START, END = "<!-- results: made by `make readme` -->", "<!-- end of results -->"
RUNS = {
    "ml-100k-7d": "MovieLens 100K, 7-day slots",
    "ml-1m-first-2999-users-7d": "MovieLens 1M, users 1–2999, first 57 7-day slots",
    "ml-latest-small.zip-91d": "MovieLens Latest Small (2018), 91-day slots",
}
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


def run_table(run: str) -> str:
    """Markdown table of the test slots of one run; the best of a column is bold."""
    # Those of the repository, wherever POPULARITY_OUTPUT sends new ones.
    rows = pd.read_csv(ROOT / "report" / run / "results.csv").query(
        "notebook == '06_compare_models' and split == 'test' and model in @MODELS"
    )
    table = rows.pivot(index="model", columns="metric", values="value")
    table = table.loc[[m for m in MODELS if m in table.index], list(COLUMNS)]
    best = table.agg(
        {c: "min" if c in ("cross_entropy", "rmse") else "max" for c in table}
    )
    lines = ["| model | " + " | ".join(name for name, *_ in COLUMNS.values()) + " |"]
    lines.append("| --- |" + " ---: |" * len(COLUMNS))
    for model, row in table.iterrows():
        cells = []
        for column, (_, scale, digits) in COLUMNS.items():
            text = f"{scale * row[column]:.{digits}f}"
            cells.append(f"**{text}**" if row[column] == best[column] else text)
        lines.append(f"| {label(model)} | {' | '.join(cells)} |")
    floor = rows.query("metric == 'rmse_floor'")["value"].iloc[0]
    lines.append(f"| *noise floor* | | *{1e3 * floor:.4f}* | | |")
    return "\n".join(lines)


def rolling_line(run: str) -> str:
    """Sentence on the ensemble against every opponent, over several cut-offs.

    Empty for a run without them (ORIGINS=0).
    """
    rows = pd.read_csv(ROOT / "report" / run / "results.csv")
    pattern = r"ensemble\[rolling, minus (\w+)\]"
    rows = rows.assign(opponent=rows["model"].str.extract(pattern)[0])
    rows = rows.dropna(subset="opponent")
    if rows.empty:
        return ""
    ends = rows.pivot(index="opponent", columns="metric", values="value")
    better = ends["cross_entropy_high"] < 0
    text = (
        "Several cut-offs, every model fitted anew: in cross-entropy the ensemble is "
        f"better beyond chance (95 % interval) than {better.sum()} of {len(ends)} "
        "opponents"
    )
    rest = [label(name) for name in ends.index[~better]]
    return text + (f"; not than {', '.join(rest)}." if rest else ".")


def results_block() -> str:
    """Everything between the two comments."""
    parts = [START]
    for run, title in RUNS.items():
        parts += [f"**{title}**", run_table(run), rolling_line(run)]
    return "\n\n".join([*filter(None, parts), END])


def with_results(text: str) -> str:
    """The README with its block of results replaced."""
    pattern = re.escape(START) + ".*" + re.escape(END)
    return re.sub(pattern, lambda _: results_block(), text, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(with_results(path.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{path.name}: results of {len(RUNS)} runs")
