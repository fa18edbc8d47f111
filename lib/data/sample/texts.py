"""Titles, overviews and taglines of the synthetic movies, from word lists.

A movie's words come from its genres, so that movies with like texts are alike. For each
genre words.json holds these words, how its movies are requested (see `demand.py`)
and TMDB's id and name of it, or of the nearest that TMDB has.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

WORDS = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
GENRE_NAMES, GENRES = tuple(WORDS["genres"]), tuple(WORDS["genres"].values())
TITLES = (
    "The {adjective} {noun}",
    "{adjective} {noun}",
    "The {adjective} {noun} of {place}",
    "{adjective} {noun} at {place}",
    "A {adjective} {noun}",
)


def titles(rng: np.random.Generator, genre: np.ndarray) -> np.ndarray:
    """Titles without year, all different.

    Args:
        rng: source of chance.
        genre: index of each movie's first genre in GENRE_NAMES, shape (movies,), int.

    Returns:
        Titles, shape (movies,), str.
    """
    # Two movies of a genre never get the same adjective and noun, and no noun belongs
    # to two genres: so every title is different without a search for doubles.
    rank = pd.Series(genre).groupby(genre).cumcount().to_numpy()
    adjectives = rng.permutation(WORDS["adjectives"])
    orders = {g: rng.permutation(_pairs(g, len(adjectives))) for g in np.unique(genre)}
    pair = [orders[g][r] for g, r in zip(genre, rank, strict=True)]
    pattern = rng.choice(TITLES, len(genre), p=[0.3, 0.25, 0.2, 0.15, 0.1])
    place = rng.choice(WORDS["places"], len(genre))
    rows = zip(genre, pair, pattern, place, strict=True)
    return np.array([_title(adjectives, *row) for row in rows])


def _pairs(genre: int, adjectives: int) -> int:
    return adjectives * len(GENRES[genre]["nouns"])


def _title(adjectives, genre: int, pair: int, pattern: str, place: str) -> str:
    nouns = GENRES[genre]["nouns"]
    noun, adjective = nouns[pair % len(nouns)], adjectives[pair // len(nouns)]
    title = pattern.format(adjective=adjective, noun=noun, place=place)
    article = "An" if adjective[0] in "AEIOU" else "A"
    return title.replace("A " + adjective, f"{article} {adjective}", 1)


def overviews(
    rng: np.random.Generator, first: np.ndarray, second: np.ndarray
) -> tuple[list[str], list[str]]:
    """Two-sentence overviews and taglines.

    Args:
        rng: source of chance.
        first: index of each movie's first genre, shape (movies,), int.
        second: index of another of its genres, or the first again.

    Returns:
        Overviews and taglines, each a list of `movies` texts.
    """
    texts = [_overview(rng, *pair) for pair in zip(first, second, strict=True)]
    lines = [str(rng.choice(_words(g, "lines"))) for g in first]
    return texts, lines


def _words(genre: int, kind: str) -> list[str]:
    return GENRES[genre][kind]


def _overview(rng: np.random.Generator, first: int, second: int) -> str:
    thing, other = rng.choice(_words(first, "things"), 2, replace=False)
    if second != first:
        other = rng.choice(_words(second, "things"))
    words = {
        "time": rng.choice(WORDS["times"]),
        "hero": rng.choice(_words(first, "heroes")),
        "place": rng.choice(WORDS["places"]),
        "goal": rng.choice(_words(second, "goals")),
        "thing": thing,
        "other": other,
    }
    text = f"{rng.choice(WORDS['openings'])} {rng.choice(WORDS['turns'])}"
    text = text.format(**words)
    for vowel in "aeiou":  # "a archaeologist"
        text = text.replace(f"a {vowel}", f"an {vowel}").replace(
            f"A {vowel}", f"An {vowel}"
        )
    return text
