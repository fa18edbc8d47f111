"""Content-based and hybrid recommendations on a handful of invented movies."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from lib.errors import UserError
from lib.recommenders.content.hybrid import ESTIMATE, HybridModel
from lib.recommenders.content.tfidf import (
    ContentModel,
    describe,
    enough_votes,
    weighted_rating,
)
from lib.schema import MOVIE, USER

MOVIES = pd.DataFrame(
    [
        (1, "Red Planet", "Astronauts land on a red planet", "Far away", 100, 7.0),
        (2, "Planet Red", "Astronauts leave a red planet", None, 5, 9.0),
        (3, "Green Planet", "Astronauts plant a forest", "Grow", 50, 6.0),
        (4, "The Baker", "Bread and love in a village", "Warm", 500, 8.0),
        (5, "Village Bread", "A baker finds love", "", 0, np.nan),
        (6, "Silence", "", "", np.nan, np.nan),
    ],
    columns=[MOVIE, "title", "overview", "tagline", "vote_count", "vote_average"],
)


@pytest.fixture
def model():
    return ContentModel(neighbours=4).fit(MOVIES)


def test_description_joins_what_there_is():
    assert describe(MOVIES)[1] == "Planet Red Astronauts leave a red planet"


def test_people_are_words_where_they_are_asked_for():
    movies = MOVIES.assign(credits=["AnnHara", "", "AnnHara BoLi", "BoLi", "", None])
    model = ContentModel(neighbours=4, people=True).fit(movies)
    assert {"annhara", "boli"} <= set(model.vectorizer.get_feature_names_out())
    assert model.similar(4)[MOVIE].tolist() == [5, 3]  # 3 by its director alone
    assert describe(movies)[3] == "The Baker Bread and love in a village Warm"
    assert ContentModel(neighbours=4).fit(movies).similar(4)[MOVIE].tolist() == [5]


def test_weighted_rating_by_hand():
    votes, average = np.array([10.0, 30.0, np.nan]), np.array([8.0, 4.0, np.nan])
    m = enough_votes(votes)
    assert m == pytest.approx(22)  # 60 % of the way from 10 to 30
    expected = [10 / 32 * 8 + 22 / 32 * 6, 30 / 52 * 4 + 22 / 52 * 6, 6]
    assert weighted_rating(votes, average) == pytest.approx(expected)
    assert np.isnan(weighted_rating(np.array([0.0]), np.array([np.nan]))).all()


def test_similarity_is_the_cosine_of_the_vectors(model):
    near = model.similar(1)
    vectors = model.vectors.toarray()
    for movie, similarity in zip(near[MOVIE], near["similarity"], strict=True):
        assert similarity == pytest.approx(vectors[0] @ vectors[movie - 1], abs=1e-6)
    assert near[MOVIE].tolist() == [2, 3]  # those that share a word, nearest first
    assert np.allclose(np.linalg.norm(vectors[:5], axis=1), 1)


def test_two_word_terms_and_stop_words(model):
    terms = set(model.vectorizer.get_feature_names_out())
    assert {"red planet", "love village"} <= terms
    assert not {"the", "and", "on"} & terms


def test_nothing_is_dense(model):
    assert sp.issparse(model.vectors) and sp.issparse(model.by_term)
    dense = [
        value
        for value in vars(model).values()
        if isinstance(value, np.ndarray) and value.ndim == 2
    ]
    assert not dense


def test_order_by_weighted_rating_with_and_without_few_votes(model):
    assert model.recommend(1, enough_votes=False)[MOVIE].tolist() == [2, 3]
    assert model.recommend(4, enough_votes=False)[MOVIE].tolist() == [5]
    assert model.recommend(1)[MOVIE].tolist() == []  # m is 90 votes
    assert model.recommend(3)[MOVIE].tolist() == [1]
    assert model.recommend(1, enough_votes=False, seen=[2])[MOVIE].tolist() == [3]


def test_titles_are_found_with_and_without_year_and_article(model):
    assert model.find("Baker, The (1999)") == 4
    with pytest.raises(UserError, match="Red Planet"):
        model.find("Red Planets of Astronauts")


def test_a_movie_without_text_or_unknown_is_explained(model):
    assert model.similar(6)[MOVIE].tolist() in ([], [6])
    with pytest.raises(UserError, match="movieId 99"):
        model.similar(99)
    with pytest.raises(UserError, match="no terms"):
        ContentModel().fit(MOVIES[MOVIES[MOVIE] == 6].assign(title=""))


def test_a_new_movie_is_placed_by_its_text(model):
    near = model.similar_to_text("A village falls in love with its baker")
    assert set(near[MOVIE]) == {4, 5}


class Taste:
    """Rates movie m with m stars, and remembers what it was asked."""

    def predict(self, pairs):
        self.asked = pairs
        return pairs[MOVIE].to_numpy(float)


def test_hybrid_orders_similar_movies_by_the_estimate(model):
    watched = pd.DataFrame({USER: [8], MOVIE: [3]})
    taste = Taste()
    hybrid = HybridModel(model, taste, watched)
    best = hybrid.recommend(user=9, movie=1)
    assert best[MOVIE].tolist() == [3, 2]
    assert best[ESTIMATE].tolist() == [3, 2]
    assert set(taste.asked[USER]) == {9}
    assert hybrid.recommend(user=8, movie=1)[MOVIE].tolist() == [2]
    everything = hybrid.recommend(user=8, movie=1, exclude_seen=False)
    assert everything[MOVIE].tolist() == [3, 2]
