"""What the notebooks of the recommenders build on: records, comparisons, charts."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.evaluation.bootstrap import bootstrap_interval
from lib.figures import movies as explore_charts
from lib.figures.style import save_figure, use_style
from lib.files import write_sealed
from lib.parameters import declared, read_notebook
from lib.recommenders import content as content_models
from lib.recommenders.content import ContentModel, ContentRanking
from lib.recommenders.content.ranking import text_vectors
from lib.recommenders.notebook import RecommenderNotebook
from lib.recommenders.ranking import tables as ranking_tables
from lib.recommenders.ranking.evaluate import (
    FULL,
    MEASURES,
    Ranked,
    Ranks,
    differences,
    fit_and_rank,
)
from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.item_models import EASE, ItemKNN, TopPop
from lib.recommenders.ranking.splits import leave_one_out
from lib.results import read_results
from lib.schema import MOVIE, RATING, TIMESTAMP, USER
from tests.recommenders.small import small_data, write_csv

NOTEBOOKS = sorted((paths.ROOT / "notebooks" / "recommenders").glob("*.ipynb"))
BIGGEST = 500_000  # bytes


@pytest.fixture
def output(tmp_path, monkeypatch):
    for name in ("REPORT", "FIGURES", "PROCESSED", "RAW"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    return tmp_path


def ranked(full) -> Ranked:
    full = np.asarray(full)
    ranks = Ranks(np.arange(len(full)), full[:, None], full)
    return Ranked({"": ranks}, 1.0)


def test_results_have_the_columns_of_the_recommenders(output):
    folder = output / "small"
    write_csv(small_data(folder), folder)
    for value in (1.0, 2.0):
        nb = RecommenderNotebook("05_neural_cf", str(folder))
        nb.record("ease", "leave_one_out_99", {"hr_at_10": value}, seed=3)
        nb.save()
    table = read_results("recommenders-small")
    expected = ["05_neural_cf", "ease", "", "", "leave_one_out_99", "test", "3"]
    assert table.to_numpy().tolist() == [[*expected, "hr_at_10", 2.0]]


def test_the_mark_of_synthetic_figures_leaves_the_title_whole(output, monkeypatch):
    monkeypatch.setattr("lib.figures.style.display", lambda *_, **__: None)
    (paths.PROCESSED / "run").mkdir(parents=True)
    write_sealed(paths.PROCESSED / "run" / "meta.json", {"synthetic": True})
    use_style()
    fig, axes = plt.subplots()
    axes.set(title="A title", xlabel="time")
    save_figure(fig, "01_x", "A caption.", "run")
    box = axes.title.get_window_extent()
    assert box.y1 <= fig.get_figheight() * fig.dpi


def test_differences_are_paired_and_judged_by_their_interval():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 30, 400)
    models = {
        "good": ranked(np.maximum(base - 8, 0)),
        "same": ranked(base),
        "other": ranked(base[::-1]),
    }
    gaps = differences(models, "good", ["same", "good"], FULL)
    expected = ["better"] * 2 + ["no clear difference"] * 2
    assert gaps["verdict"].tolist() == expected
    assert (gaps["low"] <= gaps["difference"]).all()
    pair = differences(models, "same", ["other"], FULL)
    assert set(pair["verdict"]) == {"no clear difference"}


def test_seeds_are_averaged_and_recorded_one_by_one(output):
    data = small_data(output)
    split = leave_one_out(build_histories(data.ratings))
    both = fit_and_rank({0: TopPop(), 1: EASE(reg=5)}, split)
    alone = [
        fit_and_rank({"": model}, split).by_seed[""]
        for model in (TopPop(), EASE(reg=5))
    ]
    full = both.of(FULL)
    assert full.shape == (len(split.users), 2)
    np.testing.assert_array_equal(full, np.stack([r.full for r in alone], axis=1))
    nb = RecommenderNotebook.__new__(RecommenderNotebook)
    rows = []
    nb.record = lambda *row, seed: rows.append((row[1], seed, *row[2]))
    ranking_tables.record(nb, {"both": both})
    seeds = [seed for protocol, seed, *names in rows if names == list(MEASURES)]
    assert seeds == [0, 1, 0, 1]
    assert ("leave_one_out_99", "mean", "fit_cpu_seconds") in rows


def test_intervals_do_not_depend_on_what_was_asked_before():
    values = np.random.default_rng(1).random(50)
    first = bootstrap_interval(values)
    bootstrap_interval(values[:20])
    assert bootstrap_interval(values) == first


def test_rules_for_equal_times_are_all_tried(output):
    data = small_data(output)
    models = {"top_pop": TopPop(), "item_knn": ItemKNN(k=5)}
    table = ranking_tables.orders_table(data.ratings, models, ("random", "movie_id"))
    assert table.shape == (2, 2) and table.notna().all().all()


@pytest.fixture(scope="module")
def content() -> ContentModel:
    texts = ["red car race", "red car chase", "blue sea fish", "blue sea boat", "moon"]
    movies = pd.DataFrame(
        {
            MOVIE: [1, 2, 3, 4, 5],
            "title": [f"Film {k}" for k in range(5)],
            "overview": texts,
            "tagline": "",
            "vote_count": [10.0, 20, 30, 40, 50],
            "vote_average": [5.0, 6, 7, 8, 9],
        }
    )
    return ContentModel().fit(movies)


def test_content_ranks_by_the_cosine_with_all_watched_texts(content):
    ratings = pd.DataFrame(
        {USER: [1, 1, 2, 2], MOVIE: [1, 3, 4, 9], RATING: 4.0, TIMESTAMP: [1, 2, 1, 2]}
    )
    train = build_histories(ratings)  # movie 9 has no text
    model = ContentRanking(content).fit(train)
    vectors = text_vectors(content, train.movie_ids).toarray()
    taste = vectors[0] + vectors[1]
    expected = vectors @ taste / np.linalg.norm(taste)
    scores = model.scores(np.array([0, 1]))
    np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
    assert scores[0, list(train.movie_ids).index(9)] == 0


def test_a_new_movie_is_rated_like_those_with_similar_texts(content):
    old = pd.DataFrame(
        {USER: [1, 1, 2, 2], MOVIE: [1, 3, 1, 3], RATING: [5.0, 1.0, 2.0, 4.0]}
    )
    pairs = pd.DataFrame({USER: [1, 2, 1], MOVIE: [2, 2, 5]})
    found = content_models.estimate_new_movies(content, old, pairs)
    cosine = content.similar(2).set_index(MOVIE)["similarity"]
    similar = [cosine[1], cosine.get(3, 0.0)]
    gaps = np.array([[2.0, -2.0], [-1.0, 1.0]])  # of users 1 and 2 from their means
    expected = 3 + gaps @ similar / (sum(similar) + 0.5)
    np.testing.assert_allclose(found["by_text"][:2], expected, rtol=1e-5)
    np.testing.assert_allclose(found["user_mean"], 3)
    moon = text_vectors(content, np.array([5, 1])).toarray()
    if not moon[0] @ moon[1]:
        assert found["by_text"][2] == 3  # no shared word, so the mean stays


def test_new_movies_have_no_rating_left(output):
    data = small_data(output)
    old, new = content_models.split_new_movies(data.ratings, data.movies[MOVIE])
    assert not set(old[MOVIE]) & set(new[MOVIE])
    assert set(new[USER]) <= set(old[USER]) and len(new)


def test_titles_and_genres_stand_in_for_texts(output):
    data = small_data(output)
    model = ContentModel().fit(content_models.titles_only(data).movies)
    near = model.similar(5)
    assert near["similarity"].between(0, 1 + 1e-6).all()
    words = model.shared_terms(5, int(near[MOVIE].iloc[0]))
    assert words and all(
        word.strip("“”") in model.vectorizer.vocabulary_ for word in words
    )
    assert (
        len(ContentRanking(model).fit(build_histories(data.ratings)).recommend(1, 3))
        == 3
    )


def test_charts_show_what_their_tables_say(output):
    data = small_data(output)
    bars = explore_charts.genres(data.movies).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(100)
    bars = explore_charts.people(data.users).axes[0].patches
    assert sum(bar.get_height() for bar in bars) == len(data.users)
    image = explore_charts.activity(data.ratings).axes[0].collections[0].get_array()
    share = len(data.ratings) / (80 * 40)
    assert image.mean() == pytest.approx(100 * share, rel=0.01)
    assert image[:10].mean() > image[-10:].mean()  # the busiest users are on top
    plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_of_the_series_are_built_alike(path):
    notebook = read_notebook(path)
    names = list(declared(notebook))
    assert names[:2] == ["DATASET", "RUN_NAME"]
    assert all(parameter.help for parameter in declared(notebook).values())
    text = "\n".join(
        cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"
    )
    assert text.startswith("# ")
    for heading in ("## 0. Set-up", "## What we learned", "## Next", "## References"):
        assert heading in text
    assert path.stat().st_size < BIGGEST
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    assert not any(o["output_type"] == "error" for o in outputs)
