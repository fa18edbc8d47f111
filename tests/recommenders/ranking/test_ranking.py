"""Histories, the leave-one-out split, ranks, their metrics, and the linear models."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.evaluation.bootstrap import bootstrap_interval
from lib.recommenders.ranking.evaluate import (
    Ranked,
    differences,
    evaluate,
    fit_and_rank,
    gains,
    hits,
    list_metrics,
    rank_lenient,
    ranking_metrics,
    reciprocal,
    sample_negatives,
    score_table,
)
from lib.recommenders.ranking.grids import GRIDS, LINEAR, choose, linear_models, make
from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.item_models import EASE, ItemKNN, RP3beta, TopPop
from lib.recommenders.ranking.matrix_factorization import IALS, PureSVD
from lib.recommenders.ranking.splits import Unseen, leave_one_out, time_split
from lib.schema import FULL, MOVIE, SAMPLED, TIMESTAMP, USER


def frame(*rows):
    return pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP])


def two_tastes(users=60, movies=30, watched=8, seed=0):
    """Even users watch even movies, odd users odd ones, in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        own = np.arange(user % 2, movies, 2)
        for time, movie in enumerate(rng.permutation(own)[:watched]):
            rows.append((user + 100, int(movie) + 1000, time))
    return build_histories(frame(*rows))


class Fixed:
    """A model with given scores."""

    def __init__(self, table):
        self.table = np.asarray(table, dtype=float)

    def scores(self, users):
        return self.table[users]


def test_histories_are_ordered_by_time_and_doubled_pairs_count_once():
    histories = build_histories(
        frame((7, 30, 5), (7, 10, 9), (7, 20, 1), (3, 10, 4), (7, 20, 8))
    )
    assert histories.user_ids.tolist() == [3, 7]
    assert histories.movie_ids[histories.of(1)].tolist() == [20, 30, 10]
    assert histories.matrix().toarray().tolist() == [[1, 0, 0], [1, 1, 1]]
    assert histories.users.tolist() == [0, 1, 1, 1]


def test_order_of_equal_times_follows_the_rule():
    log = frame((1, 9, 5), (1, 4, 5), (1, 7, 5), (1, 2, 5))

    def order(rule, seed=0):
        histories = build_histories(log, rule, seed)
        return histories.movie_ids[histories.of(0)].tolist()

    assert order("file") == [9, 4, 7, 2]
    assert order("movie_id") == [2, 4, 7, 9]
    assert len({tuple(order("random", seed)) for seed in range(20)}) > 5
    assert order("random", 3) == order("random", 3)
    with pytest.raises(UserError, match="alphabet"):
        build_histories(log, "alphabet")


def test_leave_one_out_holds_out_the_last_movie_and_nothing_else():
    log = frame((1, 10, 1), (1, 11, 2), (1, 12, 3), (2, 10, 1), (2, 11, 2))
    split = leave_one_out(build_histories(log))
    assert split.users.tolist() == [0]  # user 2 has too few ratings to lose one
    assert split.train.movie_ids[split.held_out[0]] == 12
    assert split.train.of(0).tolist() == [0, 1]
    assert split.train.of(1).tolist() == [0, 1]
    assert split.held_out[1] == -1
    assert split.times.tolist() == [3]
    assert split.later_share == 0  # no training row follows second 3


def test_leave_one_out_trains_on_later_rows_and_says_so():
    log = frame((1, 10, 1), (1, 11, 2), (1, 12, 3), (2, 10, 7), (2, 11, 8))
    assert leave_one_out(build_histories(log)).later_share == pytest.approx(2 / 4)


def test_a_time_split_learns_nothing_from_after_the_date():
    histories = two_tastes()
    split = time_split(histories, 0.5)
    assert split.train.times.max() < split.times.min()
    assert split.later_share == 0
    known = set(split.train.items)
    for user in range(60):
        later = split.movies[split.users == user]
        assert set(split.train.of(user)) | set(later) <= set(histories.of(user))
        assert not set(split.train.of(user)) & set(later)
    assert set(split.movies) <= known
    with pytest.raises(UserError, match="SHARE"):
        time_split(histories, 0)


def test_unseen_movies_are_all_drawn_equally_often():
    histories = two_tastes(users=4, movies=12, watched=3)
    unseen = Unseen(histories, users=[1], movies=[0])
    users = np.repeat(np.arange(4), 4000)
    drawn = unseen.draw(users, np.random.default_rng(0))
    for user in range(4):
        known = {*histories.of(user), *([0] if user == 1 else [])}
        counts = np.bincount(drawn[users == user], minlength=12)
        assert set(np.flatnonzero(counts)) == set(range(histories.n_items)) - known
        assert counts.max() < 1.3 * counts[counts > 0].min()
    many = unseen.draw_distinct(np.zeros(3000, int), 4, np.random.default_rng(0))
    assert all(len(set(row)) == 4 for row in many)
    counts = np.bincount(many.ravel(), minlength=12)
    assert counts.max() < 1.2 * counts[counts > 0].min()


def test_a_future_rating_changes_no_earlier_history():
    rows = [(1, 10 + k, k) for k in range(6)]
    before = leave_one_out(build_histories(frame(*rows))).train
    rows[-1] = (1, 99, 5)
    after = leave_one_out(build_histories(frame(*rows))).train
    old = before.movie_ids[before.of(0)], after.movie_ids[after.of(0)]
    assert old[0].tolist() == old[1].tolist()


def test_negatives_are_distinct_and_never_watched_nor_held_out():
    split = leave_one_out(two_tastes())
    drawn = sample_negatives(split, seed=1, n=10)
    for row, user in enumerate(split.users):
        known = {*split.train.of(user), split.held_out[user]}
        assert len(set(drawn[row])) == 10
        assert not known & set(drawn[row])
    assert (drawn == sample_negatives(split, seed=1, n=10)).all()
    assert (drawn != sample_negatives(split, seed=2, n=10)).any()


def test_negatives_are_padded_when_too_few_movies_are_left():
    split = leave_one_out(two_tastes())
    drawn = sample_negatives(split, seed=0, n=99)
    assert ((drawn >= 0).sum(axis=1) == 30 - 8).all()


def test_ties_count_against_us():
    split = leave_one_out(two_tastes())
    ranks = evaluate(Fixed(np.zeros((60, 30))), split, seeds=(0,))
    assert (ranks.full == 22).all()  # all 22 other unseen movies come first
    assert (ranks.sampled == 22).all()
    assert (rank_lenient(Fixed(np.zeros((60, 30))), split) == 0).all()


def test_a_perfect_model_has_rank_zero_and_watched_movies_do_not_count():
    split = leave_one_out(two_tastes())
    table = np.zeros((60, 30))
    for user in split.users:
        table[user, split.train.of(user)] = 9
        table[user, split.held_out[user]] = 5
    ranks = evaluate(Fixed(table), split, seeds=(0, 1))
    assert ranks.sampled.shape == (60, 2)
    assert (ranks.full == 0).all() and (ranks.sampled == 0).all()
    assert ranking_metrics(ranks.full) == {"hr_at_10": 1.0, "ndcg_at_10": 1.0}


def test_metrics_by_hand():
    ranks = np.array([0, 2, 9, 10])
    assert hits(ranks).tolist() == [1, 1, 1, 0]
    assert gains(ranks) == pytest.approx([1, 0.5, 1 / np.log2(11), 0])


def test_bootstrap_interval_covers_the_mean_and_shrinks():
    rng = np.random.default_rng(0)
    few, many = rng.random(50), rng.random(2000)
    low, high = bootstrap_interval(few)
    assert low < few.mean() < high
    many_low, many_high = bootstrap_interval(many)
    assert many_high - many_low < (high - low) / 4
    assert high - low == pytest.approx(2 * 1.96 * few.std() / 50**0.5, rel=0.1)


@pytest.mark.parametrize(
    "model",
    [
        ItemKNN(k=10),
        RP3beta(k=10),
        EASE(reg=10),
        PureSVD(factors=2),
        IALS(embedding_size=4),
    ],
    ids=lambda model: model.name,
)
def test_models_find_the_taste(model):
    split = leave_one_out(two_tastes())
    model.fit(split.train)
    scores = model.scores(split.users)
    assert scores.shape == (60, 30)
    own = np.array([scores[u, u % 2 :: 2].mean() for u in range(60)])
    other = np.array([scores[u, 1 - u % 2 :: 2].mean() for u in range(60)])
    assert (own > other).all()
    ours = ranking_metrics(evaluate(model, split, seeds=(0,)).full)["hr_at_10"]
    popular = TopPop().fit(split.train)
    theirs = ranking_metrics(evaluate(popular, split, seeds=(0,)).full)["hr_at_10"]
    assert ours > 0.9 > theirs


@pytest.mark.parametrize(
    "model",
    [TopPop(), ItemKNN(k=10), RP3beta(k=10), EASE(reg=10), PureSVD(factors=2)],
    ids=lambda model: model.name,
)
def test_a_user_scores_the_same_alone_and_among_others(model):
    model.fit(two_tastes())
    together = model.scores(np.array([4, 9, 2]))
    assert model.scores(np.array([9]))[0] == pytest.approx(together[1], rel=1e-5)


def test_ease_minimises_its_objective():
    histories = two_tastes(users=20, movies=10, watched=4)
    x = histories.matrix().toarray().astype(float)

    def loss(weights):
        return ((x - x @ weights) ** 2).sum() + 3 * (weights**2).sum()

    best = EASE(reg=3).fit(histories).weights.astype(float)
    assert np.abs(best.diagonal()).max() == 0
    rng = np.random.default_rng(0)
    for _ in range(20):
        step = rng.normal(0, 0.05, best.shape)
        np.fill_diagonal(step, 0)
        assert loss(best + step) > loss(best)


def test_ials_minimises_its_objective_over_the_users():
    histories = two_tastes(users=20, movies=10, watched=4)
    x = histories.matrix().toarray()
    model = IALS(embedding_size=3, reg=0.1, alpha=0.2, nu=0, epochs=3).fit(histories)

    def loss(users):
        product = users @ model.items.T
        return (
            (x * (product - 1) ** 2).sum()
            + 0.2 * (product**2).sum()
            + 0.1 * (users**2).sum()
        )

    rng = np.random.default_rng(0)
    for _ in range(20):
        step = rng.normal(0, 0.05, model.user_vectors.shape)
        assert loss(model.user_vectors + step) > loss(model.user_vectors)


def test_recommend_leaves_out_watched_movies_unless_asked():
    histories = two_tastes()
    model = ItemKNN(k=10).fit(histories)
    watched = set(histories.movie_ids[histories.of(4)])
    fresh = model.recommend(104, 5)
    assert len(fresh) == 5 and fresh["score"].is_monotonic_decreasing
    assert not watched & set(fresh[MOVIE])
    assert watched & set(model.recommend(104, 20, exclude_seen=False)[MOVIE])
    with pytest.raises(UserError, match="userId 5 "):
        model.recommend(5)


def test_ease_is_the_same_from_either_side():
    many_movies = two_tastes(users=12, movies=40)
    few_users = EASE(reg=5).fit(many_movies).weights
    x = many_movies.matrix().toarray().astype(float)
    inverse = np.linalg.inv(x.T @ x + 5 * np.eye(40))
    expected = -inverse / inverse.diagonal()
    np.fill_diagonal(expected, 0)
    assert few_users == pytest.approx(expected, abs=1e-6)


def test_item_knn_keeps_the_nearest_and_shrinks():
    histories = build_histories(
        frame((1, 10, 1), (1, 11, 2), (2, 10, 1), (2, 11, 2), (2, 12, 3), (3, 12, 1))
    )
    weights = ItemKNN(k=1).fit(histories).weights.toarray()
    assert weights[:, 0] == pytest.approx([0, 1, 0])
    assert weights[:, 2].max() == pytest.approx(0.5)
    shrunk = ItemKNN(k=2, shrink=2).fit(histories).weights.toarray()
    assert shrunk[1, 0] == pytest.approx(2 / (2 + 2))
    assert shrunk[2, 0] == pytest.approx(1 / (2 + 2))


def test_rp3beta_is_a_walk_of_three_steps():
    histories = two_tastes(users=9, movies=7, watched=3)
    x = histories.matrix().toarray().astype(float)
    to_user = (x / np.maximum(x.sum(axis=0), 1)).T
    walks = (to_user**0.7) @ ((x / x.sum(axis=1, keepdims=True)) ** 0.7)
    np.fill_diagonal(walks, 0)
    expected = walks / np.maximum(x.sum(axis=0), 1) ** 0.4
    model = RP3beta(k=7, alpha=0.7, beta=0.4).fit(histories)
    assert model.weights.toarray() == pytest.approx(expected, abs=1e-5)


def test_settings_are_chosen_on_validation_with_one_budget():
    validation = leave_one_out(leave_one_out(two_tastes()).train)
    model, table = choose("pure_svd", validation, quick=True)
    assert len(table) == 2
    assert table["settings"][0] == f"factors {model.factors}"
    assert table["full_ndcg_at_10"].is_monotonic_decreasing
    models, tables = linear_models(validation, quick=True)
    assert list(models) == ["top_pop", *LINEAR]
    assert tables.groupby("model").size().eq(2).all()
    assert {len(grid) for grid in GRIDS.values()} == {8}
    for name, grid in GRIDS.items():
        for row in grid:
            assert make(name, **row).name == name


def test_a_model_that_does_not_fit_is_named_and_left_out(monkeypatch):
    monkeypatch.setattr("lib.recommenders.ranking.item_models.MOST_GB", 1e-6)
    validation = leave_one_out(leave_one_out(two_tastes()).train)
    models, table = linear_models(validation, quick=True)
    assert "ease" not in models and "ials" in models
    row = table.set_index("model").loc["ease", "settings"]
    assert row.startswith("does not fit: needs ") and row.endswith(" GB")
    with pytest.raises(UserError, match="30 × 30 movies; expected at most") as error:
        EASE().fit(validation.train)
    assert len(str(error.value)) < 300


def test_means_are_over_users_where_one_has_several_held_out_movies():
    split = time_split(two_tastes(), 0.5)
    ranked = fit_and_rank({"": ItemKNN(k=10)}, split)
    ranks = ranked.by_seed[""].full
    expected = [hits(ranks[split.users == u]).mean() for u in np.unique(split.users)]
    assert ranked.measure("hr_at_10", FULL)[:, 0] == pytest.approx(expected)
    assert ranked.measure("mrr", SAMPLED).shape == (len(expected), 5)
    alone = evaluate(ranked_model := ItemKNN(k=10).fit(split.train), split)
    assert (alone.full == ranks).all()
    first = np.flatnonzero(split.users == split.users[0])
    scores = ranked_model.scores(split.users[:1])[0]
    others = np.setdiff1d(np.arange(30), [*split.train.of(0), *split.movies[first]])
    truth = scores[split.movies[0]]
    assert ranks[0] == (scores[others] >= truth).sum()


def test_lists_are_measured():
    split = time_split(two_tastes(), 0.5)
    popular, near = TopPop().fit(split.train), ItemKNN(k=10).fit(split.train)
    told = {name: list_metrics(m, split) for name, m in (("p", popular), ("n", near))}
    assert told["n"]["coverage"] > told["p"]["coverage"] > 0
    assert told["n"]["novelty"] > told["p"]["novelty"] > 0
    assert told["p"]["popularity_bias"] > told["n"]["popularity_bias"]


def test_reciprocal_ranks_by_hand():
    assert reciprocal(np.array([0, 1, 3])).tolist() == [1, 0.5, 0.25]


def test_a_model_without_seed_meets_each_seed_of_the_other():
    split = leave_one_out(two_tastes())
    alone = fit_and_rank({"": ItemKNN(k=10)}, split)
    twice = Ranked({0: alone.by_seed[""], 1: alone.by_seed[""]}, 1.0)
    gaps = differences({"a": alone, "b": twice}, "b", ["a"], SAMPLED)
    assert gaps["difference"].eq(0).all()
    assert gaps["verdict"].eq("no clear difference").all()
    table = score_table({"a": alone, "b": twice})
    assert table.loc["a", "hr_at_10"] == table.loc["b", "hr_at_10"]
