"""A small rating log with a structure that models can find."""

import numpy as np
import pandas as pd

from lib.recommenders.data import RatingData
from lib.schema import MOVIE, RATING, TIMESTAMP, USER

GENRES = ("Action", "Comedy", "Drama")
OCCUPATIONS = ("artist", "student", "writer")


def small_data(folder, users=80, movies=40, share=0.5, seed=3) -> RatingData:
    """Ratings with user and movie biases, and women rating dramas higher."""
    rng = np.random.default_rng(seed)
    gender = rng.choice(["F", "M"], users)
    genre = rng.integers(0, 3, movies)
    stars = 3.2 + rng.normal(0, 0.6, (users, 1)) + rng.normal(0, 0.6, (1, movies))
    stars = stars + np.where(gender == "F", 1.2, -1.2)[:, None] * (genre == 2)
    stars = stars + rng.normal(0, 0.4, stars.shape)
    u, i = np.nonzero(rng.random(stars.shape) < share)
    ratings = pd.DataFrame(
        {
            USER: u + 1,
            MOVIE: 10 * i + 5,
            RATING: np.clip(np.round(stars[u, i]), 1, 5),
            TIMESTAMP: 880_000_000 + rng.integers(0, 40, len(u)) * 86_400,
        }
    )
    titles = [f"Film {k} ({1970 + k % 25})" for k in range(movies)]
    table = pd.DataFrame(
        {
            MOVIE: 10 * np.arange(movies) + 5,
            "title": titles,
            "genres": [GENRES[g] for g in genre],
            "release_year": pd.array(1970 + np.arange(movies) % 25, dtype="Int64"),
        }
    )
    people = pd.DataFrame(
        {
            USER: np.arange(1, users + 1),
            "age": pd.array(rng.integers(10, 70, users), dtype="Int64"),
            "gender": gender,
            "occupation": rng.choice(OCCUPATIONS, users),
            "zip": [f"{k:05d}" for k in rng.integers(10_000, 10_020, users)],
        }
    )
    return RatingData("small", ratings, table, people, folder)


def write_csv(data: RatingData, folder, with_users=True) -> None:
    """The same as a folder in MovieLens' csv layout."""
    folder.mkdir(parents=True, exist_ok=True)
    data.ratings.to_csv(folder / "ratings.csv", index=False)
    columns = [MOVIE, "title", "genres"]
    data.movies[columns].to_csv(folder / "movies.csv", index=False)
    if with_users:
        data.users.to_csv(folder / "users.csv", index=False)
