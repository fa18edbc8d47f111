"""Movies like this one, by their texts: TF-IDF, cosine similarity, weighted rating.

Everything stays sparse: the nearest movies of one movie are one sparse product, and no
movies × movies matrix is ever made.
"""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

from lib.data.metadata import Metadata, plain_title
from lib.errors import UserError
from lib.recommenders.data import RatingData
from lib.schema import (
    CREDITS,
    GENRES,
    MOVIE,
    OVERVIEW,
    RATING,
    RELEASE_YEAR,
    TAGLINE,
    TITLE,
    WEIGHTED_RATING,
)

NEIGHBOURS = 30
VOTE_QUANTILE = 0.6
SIMILARITY = "similarity"  # cosine of the TF-IDF vectors, 0 (nothing shared) to 1


def describe(movies: pd.DataFrame, people: bool = False) -> pd.Series:
    """Title, overview and tagline of each movie as one text; missing parts are "".

    Args:
        movies: columns with these names.
        people: add the column credits.
    """
    names = [TITLE, OVERVIEW, TAGLINE, *([CREDITS] if people else [])]
    parts = movies[names].fillna("").astype(str)
    return parts.agg(" ".join, axis=1).str.strip()


def enough_votes(votes: np.ndarray) -> float:
    """m of the weighted rating: the number of votes that `VOTE_QUANTILE` stay below."""
    known = votes[np.isfinite(votes) & (votes > 0)]
    return float(np.quantile(known, VOTE_QUANTILE)) if len(known) else 0.0


def weighted_rating(votes: np.ndarray, average: np.ndarray) -> np.ndarray:
    """Rating pulled towards the mean of all movies where votes are few.

    WR = v/(v+m) · R + m/(v+m) · C, with v the movie's votes, R its average, m the
    `VOTE_QUANTILE` of all votes and C the mean of all averages (the formula that IMDb
    used for its top 250). Movies without a vote get C.

    Args:
        votes: (movies,) numbers of votes, NaN where unknown.
        average: (movies,) average votes, NaN where unknown.

    Returns:
        (movies,) float64 on the scale of `average`.
    """
    known = np.isfinite(votes) & np.isfinite(average) & (votes > 0)
    if not known.any():
        return np.full(len(votes), np.nan)
    mean = average[known].mean()
    enough = enough_votes(votes)
    v, r = np.where(known, votes, 0), np.where(known, average, mean)
    return v / (v + enough) * r + enough / (v + enough) * mean


def titles_only(data: RatingData) -> Metadata:
    """A stand-in where there are no texts: titles, genres, and the set's own ratings.

    Returns:
        Metadata whose overview is the movie's genres and whose votes are the ratings.
    """
    rated = data.ratings.groupby(MOVIE)[RATING].agg(["size", "mean"])
    movies = data.movies[[MOVIE, TITLE, GENRES]].merge(
        rated, left_on=MOVIE, right_index=True
    )
    movies = movies.rename(columns={"size": "vote_count", "mean": "vote_average"})
    movies[OVERVIEW] = movies[GENRES].fillna("").str.replace("|", " ")
    movies[TAGLINE] = ""
    problems = pd.DataFrame(columns=["file", "what", "count", "example"])
    return Metadata(movies.reset_index(drop=True), problems, "nothing")


class ContentModel:
    """Nearest movies by the words, and pairs of words, of title, overview and tagline.

    Args:
        neighbours: similar movies that are considered, the movie itself not counted.
        idf: weight terms by how rare they are; else all alike, as a `CountVectorizer`.
        people: take actors and directors as words of the text; the table must have a
            column credits.
    """

    name = "content"

    def __init__(
        self, neighbours: int = NEIGHBOURS, idf: bool = True, people: bool = False
    ):
        self.neighbours, self.people = neighbours, people
        self.vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), stop_words="english", dtype=np.float32, use_idf=idf
        )

    def fit(self, movies: pd.DataFrame) -> "ContentModel":
        """Learns the terms.

        Args:
            movies: movieId, title, overview, tagline, vote_count, vote_average, and
                anything else; one row per movie.

        Raises:
            UserError: there is no text at all.
        """
        self.movies = movies.reset_index(drop=True)
        try:
            vectors = self.vectorizer.fit_transform(describe(self.movies, self.people))
        except ValueError as error:
            raise UserError(
                f"the texts of {len(movies)} movies have no terms ({error}); expected "
                "metadata with overviews"
            ) from error
        self.vectors: sp.csr_matrix = vectors.tocsr()
        # By term: a query then touches only the movies that share one of its terms.
        self.by_term: sp.csr_matrix = self.vectors.T.tocsr()
        votes = self.movies["vote_count"].to_numpy(float)
        self.min_votes = enough_votes(votes)
        self.movies[WEIGHTED_RATING] = weighted_rating(
            votes, self.movies["vote_average"].to_numpy(float)
        )
        self.rows = pd.Series(self.movies.index, index=self.movies[MOVIE])
        return self

    def similar(self, movie: int, n: int | None = None) -> pd.DataFrame:
        """The movies nearest to a movieId by text.

        Args:
            movie: a movieId.
            n: number of movies, `neighbours` by default.

        Returns:
            The rows of the fitted table with the column similarity, nearest first;
            movies that share no term are left out.

        Raises:
            UserError: the movie has no text here.
        """
        row = self.row(movie)
        return self._nearest(self.vectors[row], n, without=row)

    def unseen(self, movie: int, seen: set[int]) -> pd.DataFrame:
        """The `neighbours` movies nearest to a movieId, those seen left out before."""
        near = self.similar(movie, self.neighbours + len(seen))
        return near[~near[MOVIE].isin(seen)].head(self.neighbours)

    def similar_to_text(self, text: str, n: int | None = None) -> pd.DataFrame:
        """The movies nearest to any text, for example of a movie not yet released."""
        return self._nearest(self.vectorizer.transform([text]).tocsr(), n)

    def recommend(
        self, movie: int, n: int = 10, seen=(), enough_votes: bool = True
    ) -> pd.DataFrame:
        """The `neighbours` nearest movies in the order of their weighted rating.

        Args:
            movie: a movieId.
            n: number of movies.
            seen: movieIds to leave out before the nearest are taken.
            enough_votes: list only movies with at least m votes, as the hybrid report.

        Returns:
            DataFrame as from `similar`, best weighted rating first.
        """
        near = self.unseen(movie, set(seen))
        if enough_votes:
            near = near[near["vote_count"] >= self.min_votes]
        best = near.sort_values(WEIGHTED_RATING, ascending=False, kind="stable")
        return best.head(n).reset_index(drop=True)

    def find(self, title: str) -> int:
        """movieId of a title, with or without its year; the earliest of equal ones.

        Raises:
            UserError: no movie has this title.
        """
        plain = self.movies[TITLE].map(plain_title)
        found = self.movies[plain == plain_title(title)]
        if found.empty:
            near = self.similar_to_text(title, 3)[TITLE].tolist()
            raise UserError(
                f"no movie is called {title!r}; expected a title of the data set, "
                f"perhaps one of {near}"
            )
        year = [c for c in ("release_date", RELEASE_YEAR) if c in found]
        return int(found.sort_values([*year, MOVIE])[MOVIE].iloc[0])

    def shared_terms(self, first: int, second: int, n: int = 5) -> list[str]:
        """The terms that contribute most to the similarity of two movieIds."""
        a, b = (self.vectors[self.row(movie)] for movie in (first, second))
        product = a.multiply(b).tocoo()
        best = np.argsort(-product.data, kind="stable")[:n]
        names = self.vectorizer.get_feature_names_out()
        return [f"“{names[product.col[k]]}”" for k in best]

    def row(self, movie: int) -> int:
        """Row of a movieId in the fitted table.

        Raises:
            UserError: the movie has no text here.
        """
        if movie not in self.rows.index:
            raise UserError(
                f"movieId {movie} has no text; expected one of the "
                f"{len(self.rows)} movies with metadata"
            )
        return int(self.rows[movie])

    def _nearest(
        self, query: sp.csr_matrix, n: int | None, without: int | None = None
    ) -> pd.DataFrame:
        cosine = (query @ self.by_term).toarray()[0]  # rows have length 1 already
        if without is not None:
            cosine[without] = 0
        best = np.argsort(-cosine, kind="stable")[: n or self.neighbours]
        best = best[cosine[best] > 0]
        near = self.movies.iloc[best].reset_index(drop=True)
        return near.assign(**{SIMILARITY: cosine[best]})
