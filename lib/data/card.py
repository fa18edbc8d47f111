"""The card of a panel: what it holds, for people and machines, in Croissant 1.0.

Croissant is a vocabulary of MLCommons for data sets (Akhtar et al. 2024, "Croissant: A
Metadata Format for ML-Ready Datasets"), written as JSON-LD. Libraries that know it load
the panel by `croissant.json`, which lies beside it.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

from lib.schema import (
    GENRES,
    MEAN_RATING,
    MOVIE,
    POPULARITY,
    RELEASE_YEAR,
    REQUESTS,
    SLOT,
)
from lib.text import spoken

CARD = "croissant.json"
# Month in which GroupLens published a set, and how its terms end. None where the name
# stands for several editions.
MOVIELENS = {
    "ml-100k": ("1998-04", "txt"),
    "ml-1m": ("2003-02", "txt"),
    "ml-10m": ("2009-01", "html"),
    "ml-20m": ("2015-04", "html"),
    "ml-25m": ("2019-12", "html"),
    "ml-32m": ("2024-05", "html"),
    "ml-latest": (None, "html"),
    "ml-latest-small": (None, "html"),
}
TERMS = "https://files.grouplens.org/datasets/movielens/{}-README.{}"
PAPER = (
    "@article{harper2015movielens, author={Harper, F. Maxwell and Konstan, Joseph A.}, "
    "title={The MovieLens Datasets: History and Context}, journal={ACM Transactions on "
    "Interactive Intelligent Systems}, volume={5}, number={4}, year={2015}, "
    "doi={10.1145/2827872}}"
)
# Columns of the panel: type, what it is
COLUMNS = {
    MOVIE: ("int64", "the movie, its number in the log"),
    SLOT: ("datetime, UTC", "start of the slot"),
    REQUESTS: ("int64", "requests for the movie in the slot, c(i, t)"),
    POPULARITY: ("float64", "share of the slot's requests, p(i, t), from 0 to 1"),
    MEAN_RATING: ("float64", "mean of the slot's ratings of the movie, stars"),
    GENRES: ("string", "genres, separated by a bar"),
    RELEASE_YEAR: ("int32", "the year in the title's brackets; empty without one"),
}
TYPES = {"i": "sc:Integer", "f": "sc:Float", "s": "sc:Text", "d": "sc:DateTime"}
NAMES = "recordSet field source fileObject extract column"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "citeAs": "cr:citeAs",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in NAMES.split()},
}


def origin(meta: dict, movielens: bool) -> dict[str, str]:
    """Terms, date and source of a panel's data, as far as they are known.

    Args:
        meta: what preprocessing records.
        movielens: whether the data lie in a layout of MovieLens.
    """
    name = Path(str(meta["dataset"])).name.removesuffix(".zip")
    if meta["synthetic"]:  # made by this project, under its own terms
        return {
            "license": "https://spdx.org/licenses/MIT.html",
            "citeAs": f"movie-popularity, version {version('movie-popularity')}",
        }
    if not movielens or name not in MOVIELENS:
        return {}
    month, suffix = MOVIELENS[name]
    known = {"license": TERMS.format(name, suffix), "citeAs": PAPER}
    return known | ({"datePublished": month} if month else {})


def dataset_card(meta: dict, panel: Path, movielens: bool = False) -> dict:
    """The card of a panel, as JSON-LD.

    Its version is that of the code which made it: data sets number none.

    Args:
        meta: what preprocessing records, see `lib.data.preprocess`.
        panel: panel.parquet; the card holds its SHA-256.
        movielens: whether the data lie in a layout of MovieLens.
    """
    with panel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = Path(str(meta["dataset"])).name
    item, kind = meta["item_name"], "synthetic" if meta["synthetic"] else "recorded"
    by = f" by {meta['users']} users" if meta["users"] else ""
    text = (
        f"One row per {item} and slot of one {meta['slot']} with a request: "
        f"{meta['panel_rows']} rows from {meta['rows']} {kind} requests{by}, "
        f"{meta['first_date']} to {meta['last_date']} (UTC)."
    )
    repairs = [f"{i['what']} ({i['count']}): {i['action']}" for i in meta["repairs"]]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{name}-{meta['slot']}",
        "description": " ".join([text, "Repaired:", "; ".join(repairs) or "nothing."]),
        "version": version("movie-popularity"),
        **origin(meta, movielens),
        "temporalCoverage": f"{meta['first_date']}/{meta['last_date']}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": panel.name,
                "name": panel.name,
                "contentUrl": panel.name,
                "encodingFormat": "application/x-parquet",
                "sha256": digest,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": panel.stem,
                "name": panel.stem,
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{panel.stem}/{column}",
                        "name": column,
                        "description": spoken(meaning, item),
                        "dataType": TYPES[dtype[0]],
                        "source": {
                            "fileObject": {"@id": panel.name},
                            "extract": {"column": column},
                        },
                    }
                    for column, (dtype, meaning) in COLUMNS.items()
                ],
            }
        ],
    }
