"""Writes the stored runs' results into README.md, docs/results.md and the picture.

`make readme` calls it. Every number comes from report/<run>/results.csv.
"""

import re
from collections.abc import Iterable

import matplotlib.pyplot as plt
import pandas as pd

from lib import paths
from lib.evaluation.metrics import HIGHER_IS_BETTER
from lib.figures.style import LABELS, label
from lib.files import replacing
from lib.paths import ROOT
from lib.recommenders.comparison import (
    AS_REPORTED,
    PUBLISHED,
    by_date_table,
    headline_table,
    interval_text,
    ranking_table,
    shown_ranking,
)
from lib.recommenders.rating.model import KNOWS
from lib.recommenders.rating.registry import knows
from lib.report import report_title, whole_document
from lib.report.exporters import ReportTypstExporter, compiled
from lib.report.findings import (
    MEASURES,
    POOL,
    chosen_network,
    differences_over_cut_offs,
    read_rows,
    score_figure,
    scores,
    side_by_side,
    told,
    untried,
)
from lib.schema import SAMPLE
from lib.text import number

README, RESULTS = ROOT / "README.md", ROOT / "docs" / "results.md"
PICTURE = ROOT / "figures" / "readme" / "06_cross_entropy.png"
FIRST_PAGE = ROOT / "figures" / "readme" / "report_page_1.png"
START, END = "<!-- results: made by `make readme` -->", "<!-- end of results -->"
RUNS = {
    "ml-100k-7d": "MovieLens 100K, 7 days",
    "ml-1m-first-2999-users-7d": "MovieLens 1M (users 1–2999, 57 slots), 7 days",
    "ml-latest-small.zip-91d": "MovieLens Latest Small (2018), 91 days",
    "ml-latest-small-2016-91d": "MovieLens Latest Small (2016), 91 days",
}
RECOMMENDERS = {
    "recommenders-ml-100k": "MovieLens 100K",
    "recommenders-ml-latest-small-2016": "MovieLens Latest Small (October 2016)",
}
CHAINS = " chains"  # end of a setting: forecasts of several seeds' chains, averaged
PROTOCOLS = {"random_80_20": "random fifth", "u1": "u1", "five_fold": "five folds"}


def stored(run: str) -> pd.DataFrame:
    """Rows of a run in the repository, wherever POPULARITY_OUTPUT sends new ones."""
    return read_rows(ROOT / "report" / run / "results.csv")


def markdown(table: pd.DataFrame) -> str:
    """A table of texts; its index becomes the first column."""
    lines = [f"| {table.index.name} | " + " | ".join(table) + " |"]
    lines.append("| --- |" + " ---: |" * table.shape[1])
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in table.iterrows()]
    return "\n".join(lines)


def as_text(column: pd.Series, digits: int, higher: bool) -> pd.Series:
    """Numbers as text, gaps empty; bold is all that prints as the best one does.

    Args:
        digits: after the point.
        higher: whether the highest is the best, else the lowest.
    """
    best = number(column.max() if higher else column.min(), digits)
    text = column.map(lambda value: number(value, digits)).mask(column.isna(), "")
    return text.mask(text == best, "**" + text + "**")


def overview() -> str:
    """The README's table: default pool / network / best other, in every measure."""
    table = {}
    for run, title in RUNS.items():
        rows = stored(run)
        row = {"network": label(chosen_network(rows))}
        everything = scores(rows)
        for metric, pair in side_by_side(rows).iterrows():
            three = [everything.loc[POOL, metric], pair["network"], pair["other"]]
            name, scale, digits = MEASURES[metric]
            higher = metric in HIGHER_IS_BETTER
            row[name] = " / ".join(as_text(scale * pd.Series(three), digits, higher))
        row["reference RMSE"] = told(everything["rmse_floor"].iloc[0], "rmse")
        table[title] = row
    return markdown(pd.DataFrame.from_dict(table, orient="index").rename_axis("data"))


def with_results(text: str) -> str:
    """The README with its table made anew."""
    return between(text, START, END, overview())


def between(text: str, start: str, end: str, block: str) -> str:
    """A text with other words between two marks that stand in it."""
    pattern = re.escape(start) + ".*" + re.escape(end)
    whole = f"{start}\n\n{block}\n\n{end}"
    return re.sub(pattern, lambda _: whole, text, flags=re.DOTALL)


def popularity() -> Iterable[str]:
    """Every model of the stored runs, in every measure."""
    for run, title in RUNS.items():
        table = scores(stored(run)).sort_values("cross_entropy", ascending=False)
        shown = {
            name: as_text(scale * table[metric], digits, metric in HIGHER_IS_BETTER)
            for metric, (name, scale, digits) in MEASURES.items()
        }
        yield f"### {title}"
        yield markdown(pd.DataFrame(shown).rename(index=label).rename_axis("model"))
        reference = told(table["rmse_floor"].iloc[0], "rmse")
        yield f"Multinomial reference of the RMSE: {reference} (10⁻³)."
        yield _rolling(stored(run))


def _rolling(rows: pd.DataFrame) -> str:
    """The default forecast against every other, all fitted anew at each cut-off."""
    ends = differences_over_cut_offs(rows)
    if ends.empty:
        return "The default forecast was not fitted at several cut-offs."
    lines = []
    for metric, (name, *_) in MEASURES.items():
        low, high = (ends[f"{metric}_{end}"] for end in ("low", "high"))
        if metric not in HIGHER_IS_BETTER:
            low, high = -high, -low
        lost = ", ".join(label(model) for model in ends.index[high < 0]) or "none"
        won = f"better than {(low > 0).sum()} of {len(ends)} models"
        lines.append(f"- {name.partition(' (')[0]}: {won}, worse than {lost}.")
    head = "Several cut-offs, the default forecast against each model, beyond chance "
    missing = ", ".join(untried(rows)) or "none"
    last = f"- Opponents not tried there: {missing}."
    return "\n".join([head + "(95 %):", "", *lines, last])


def experiments() -> str:
    """What decides a network's rank in the grid of `make experiments`."""
    rows = stored("experiments-ml-100k-7d").query("metric == 'explained'")
    shares = rows.set_index("setting")["value"].sort_values(ascending=False)
    table = shares.map("{:.1%}".format).rename(lambda name: name.replace("_", " "))
    return markdown(
        table.to_frame("share of the ranks explained").rename_axis("choice")
    )


def _name(model: str) -> str:
    """Label of a recommender; one without a label is named as in results.csv."""
    return LABELS.get(model, model.replace("_", " ").capitalize())


def rating_rows(rows: pd.DataFrame, data: str) -> pd.DataFrame:
    """RMSE of the rating models, stars, by what they know, then best first.

    Published ones stand among those that know the same. The best of each class is bold.

    Args:
        rows: of a run of the second series.
        data: name of its data set, see `PUBLISHED`.
    """
    settings = rows["setting"]
    rows = rows[settings.isin(["", AS_REPORTED]) | settings.str.endswith(CHAINS)]
    names = rows["model"].map(_name) + " " + rows["setting"]
    rows = rows.assign(name=names.str.strip(), knows=rows["model"].map(knows))
    found = rows[(rows["metric"] == "rmse") & rows["protocol"].isin(PROTOCOLS)]
    found = found[["name", "knows", "protocol", "value"]].to_numpy().tolist()
    for protocol in PROTOCOLS:
        for name, (value, known) in PUBLISHED.get((data, protocol), {}).items():
            found.append([f"*{name}, published*", known, protocol, value])
    table = pd.DataFrame(found, columns=["model", "knows", "protocol", "rmse"])
    wide = table.pivot_table("rmse", ["knows", "model"], "protocol")
    wide = wide[[name for name in PROTOCOLS if name in wide]].rename(columns=PROTOCOLS)
    parts = []
    for known in KNOWS.values():
        part = wide[wide.index.get_level_values("knows") == known]
        order = part.mean(axis=1).sort_values().index
        parts.append(part.loc[order].apply(as_text, digits=4, higher=False))
    table = pd.concat(parts).reset_index("knows").rename_axis("model")
    protocol = "u1" if "u1" in table else "random_80_20"
    ends = rows[rows["protocol"] == protocol].pivot_table("value", "name", "metric")
    ends = interval_text(ends.dropna(subset="rmse_low"), "rmse").reindex(table.index)
    place = list(table).index(PROTOCOLS[protocol]) + 1
    table.insert(place, "95 %", ends.fillna(""))
    return table


def _seeds(rows: pd.DataFrame) -> str:
    """How many seeds each notebook trained with."""
    seeded = rows[rows["seed"].str.fullmatch(r"\d+")]
    counts = seeded.groupby("notebook")["seed"].nunique()
    told = (f"{count} in {name}" for name, count in counts.items())
    return f"Seeds of the trainings: {', '.join(told)}."


def recommenders() -> Iterable[str]:
    """Ratings, rankings and headlines of the stored runs of the second series."""
    for run, title in RECOMMENDERS.items():
        rows = stored(run)
        yield f"### {title}"
        yield _seeds(rows)
        yield (
            "RMSE of ratings in stars, held-out rows, by what a model knows. Published "
            "numbers are of the same rows for u1; Surprise draws its own folds. "
            "u1 (without it the random fifth) is the mean over the seeds, its interval "
            "covers users and seeds; the other columns are of the first seed."
        )
        yield markdown(rating_rows(rows, run.removeprefix("recommenders-")))
        ranking = shown_ranking(ranking_table(rows)).drop(columns="fit_cpu_seconds")
        yield (
            "Each user's last movie, against 99 unseen ones and against all. Models "
            "may have learnt from ratings of other users that are later than it."
        )
        yield markdown(_ranked(ranking))
        if not (dated := by_date_table(rows)).empty:
            yield (
                "Split by date, the only one without such leaks: trained before it, "
                "tested after it, against all unseen movies. Novelty is in bits; "
                "popularity bias compares the lists with what users had chosen."
            )
            dated.insert(1, "95 %", interval_text(dated, "hr_at_10"))
            ends = ["hr_at_10_low", "hr_at_10_high"]
            yield markdown(_ranked(dated.drop(columns=ends)))
        heads = headline_table(rows).set_index("headline", append=True)
        heads = heads[["same protocol here", "sound protocol here"]].dropna()
        heads.index = [f"{name}: {value}" for name, value in heads.index]
        yield "The headlines of the other reports, repeated on these data:"
        yield markdown(heads.map("{:.3f}".format).rename_axis("headline"))


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Measures of rankings as text, the best bold where there is a better side."""
    shown = table.rename(_name).rename_axis("model")
    for name in shown.select_dtypes("number"):
        if name in ("novelty", "popularity_bias"):
            shown[name] = shown[name].map("{:.3f}".format)
        else:
            shown[name] = as_text(shown[name], 3, higher=True)
    return shown.rename(columns=label)


def results_page() -> str:
    """The whole of docs/results.md."""
    parts = [
        "# Results in full",
        "`make readme` writes this page from `report/*/results.csv`; "
        "[protocols.md](protocols.md) says how they were measured.",
        "## Popularity: the test slots",
        "Networks are averaged over three seeds. The best of each column is bold.",
        *popularity(),
        "## What decides a network's rank",
        "The grid of `make experiments` on MovieLens 100K, judged on validation slots.",
        experiments(),
        "## Recommenders",
        *recommenders(),
    ]
    return "\n\n".join(parts) + "\n"


def first_page() -> bool:
    """Draw the first page of the sample's report; False where none was made."""
    run = paths.run_name(SAMPLE, "week")
    home, meta = paths.REPORT / run, paths.recorded(run)
    if not meta or not (home / "forecast.csv").is_file():
        return False
    document = whole_document(
        home, notebooks=[], meta=meta, title=report_title(meta, run)
    )
    source, resources = ReportTypstExporter().from_notebook_node(document)
    pages = compiled(source, resources["outputs"], format="png", ppi=75)
    with replacing(FIRST_PAGE) as part:
        part.write_bytes(pages[0] if isinstance(pages, list) else pages)
    return True


def write() -> str:
    """Write the README's table, its pictures and the page of results; say so."""
    README.write_text(with_results(README.read_text("utf-8")), encoding="utf-8")
    RESULTS.write_text(results_page(), encoding="utf-8")
    picture = score_figure(stored(next(iter(RUNS))))
    if picture is not None:
        picture.savefig(PICTURE, metadata={"Software": None})
        plt.close(picture)
    page = "page 1" if first_page() else "page 1 as it was (`make report` draws it)"
    return f"README.md, docs/results.md, its picture, {page}: {len(RUNS)} runs"
