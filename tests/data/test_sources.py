"""Data sets of every layout, read to the same tables."""

import shutil
import zipfile

import pandas as pd
import polars as pl
import pytest

from lib import paths
from lib.data.movies import release_year
from lib.data.preprocessing import preprocess
from lib.data.sources import open_dataset

DATA = paths.ROOT.parent / "shared" / "data"
RATINGS = [(1, 10, 4, 978300000), (2, 10, 3, 980900000), (2, 20, 5, 983600000)]


def lines(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def write_csv(folder):
    header = "userId,movieId,rating,timestamp\r\n"
    body = lines(RATINGS, ",").replace("\n", "\r\n")
    (folder / "ratings.csv").write_bytes((header + body).encode())
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n"
        '10,"Café, The (1995)",Drama|War\n'
        "20,Twenty (1996),Comedy\n"
    )
    (folder / "users.csv").write_text(
        "userId,age,gender,occupation,zip\n1,25,F,artist,01234\n2,40,M,writer,56789\n"
    )


def write_dat(folder):
    (folder / "ratings.dat").write_text(lines(RATINGS, "::").rstrip("\n"))
    movies = "10::Café, The (1995)::Drama|War\n20::Twenty (1996)::Comedy\n"
    (folder / "movies.dat").write_bytes(movies.encode("latin-1"))
    (folder / "users.dat").write_text("1::F::25::2::01234\n2::M::40::20::56789\n")


def write_data(folder):
    (folder / "u.data").write_text(lines(RATINGS, "\t"))
    drama_war = "|".join("1" if g in (8, 17) else "0" for g in range(19))
    comedy = "|".join("1" if g == 5 else "0" for g in range(19))
    items = (
        f"10|Café, The (1995)|01-Jan-1995||http://x|{drama_war}\n"
        f"20|Twenty (1996)|01-Jan-1996||http://x|{comedy}\n"
    )
    (folder / "u.item").write_bytes(items.encode("latin-1"))
    (folder / "u.user").write_text("1|25|F|artist|01234\n2|40|M|writer|56789\n")


LAYOUTS = {"csv": write_csv, "dat": write_dat, "data": write_data}


@pytest.fixture(params=LAYOUTS)
def folder(request, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    LAYOUTS[request.param](folder)
    return folder


def tables(run):
    folder = paths.PROCESSED / run
    log, panel = (
        pl.read_parquet(folder / f"{n}.parquet") for n in ("requests", "panel")
    )
    found = {n: pl.read_parquet(folder / f"{n}.parquet") for n in ("movies", "users")}
    found = {n: t.filter(pl.col("requests") > 0) for n, t in found.items()}
    found = {n: t.drop("requests") for n, t in found.items()}
    return found | {"requests": log, "panel": panel}


def test_every_layout_gives_the_same_tables(folder):
    meta = preprocess(str(folder), "month")
    assert (meta["rows"], meta["users"], meta["movies"], meta["slots"]) == (3, 2, 2, 4)
    assert meta["repairs"] == [] and meta["synthetic"] is False
    found = tables("set-month")
    assert found["requests"].rows() == RATINGS
    assert found["movies"].rows() == [
        (10, "Café, The (1995)", "Drama|War", 1995),
        (20, "Twenty (1996)", "Comedy", 1996),
    ]
    assert found["users"].rows() == [
        (1, 25, "F", "artist", "01234"),
        (2, 40, "M", "writer", "56789"),
    ]
    assert found["panel"]["movieId"].to_list() == [10, 10, 20]


def test_columns_and_types_of_the_files(folder):
    preprocess(str(folder), "month")
    found = tables("set-month")
    assert dict(found["requests"].schema) == {
        "userId": pl.Int64,
        "movieId": pl.Int64,
        "rating": pl.Float64,
        "timestamp": pl.Int64,
    }
    assert dict(found["panel"].schema) == {
        "movieId": pl.Int64,
        "slot": pl.Datetime("us"),
        "requests": pl.Int64,
        "popularity": pl.Float64,
        "mean_rating": pl.Float64,
        "genres": pl.String,
        "release_year": pl.Int32,
    }


def test_zip_holds_a_folder(folder, tmp_path):
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.iterdir():
            file.write(path, f"inside/{path.name}")
    plain = preprocess(str(folder), "month")
    packed = preprocess(str(archive), "month")
    assert packed["dataset"] == "packed.zip"
    assert packed["rows"] == plain["rows"] and packed["notes"] == plain["notes"]
    assert tables("packed.zip-month")["panel"].equals(tables("set-month")["panel"])


def test_file_of_a_set_finds_its_movies(folder):
    log = next(p for p in folder.iterdir() if p.name.startswith(("ratings", "u.data")))
    preprocess(str(log), "month")
    movies = tables(f"{log.name}-month")["movies"]
    assert movies["title"][0] == "Café, The (1995)"


def test_log_alone_needs_no_movies(tmp_path):
    log = tmp_path / "ratings.csv"
    log.write_text("userId,movieId,rating,timestamp\n" + lines(RATINGS, ","))
    preprocess(str(log), "month")
    movies = pl.read_parquet(paths.PROCESSED / "ratings.csv-month" / "movies.parquet")
    assert movies["title"].to_list() == ["Movie 10", "Movie 20"]


def test_movielens_dir_is_searched(folder, monkeypatch):
    monkeypatch.setenv("MOVIELENS_DIR", str(folder.parent))
    assert open_dataset("set").log.path.parent == folder


def test_second_run_without_users_forgets_them(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder)
    assert preprocess(str(folder), "month")["demographics"] is True
    (folder / "users.csv").unlink()
    assert preprocess(str(folder), "month")["demographics"] is False
    users = tables("set-month")["users"]
    assert users["age"].null_count() == users.height == 2


def test_max_slots_keeps_the_first(folder):
    meta = preprocess(str(folder), "month", max_slots=2)
    assert (meta["rows"], meta["slots"], meta["movies"], meta["users"]) == (2, 2, 1, 2)
    found = tables("set-month")
    assert found["requests"].rows() == RATINGS[:2]
    assert found["movies"]["movieId"].to_list() == [10]
    # An empty third slot counts as one of the first three, and 9 are all there are
    assert preprocess(str(folder), "month", max_slots=3)["rows"] == 2
    assert preprocess(str(folder), "month", max_slots=9)["rows"] == 3


# Event logs

EVENTS = pd.DataFrame(
    {
        "who": ["ann", "bob", "ann", "cy"],
        "what": ["zebra film", "ant film", "ant film", "zebra film"],
        "when": ["2020-01-31T23:59:59", "2020-02-01T00:00:00"] * 2,
    }
)
NAMES = {"user_column": "who", "item_column": "what", "time_column": "when"}
JANUARY, FEBRUARY = 1580515199, 1580515200


def read_events(dataset, **arguments):
    meta = preprocess(str(dataset), "month", **arguments)
    folder = paths.PROCESSED / f"{dataset.name}-month"
    requests = pl.read_parquet(folder / "requests.parquet")
    return meta, requests, pl.read_parquet(folder / "movies.parquet")


def check_events(requests, movies):
    assert movies["title"].to_list() == ["ant film", "zebra film"]
    assert requests["movieId"].to_list() == [2, 1, 1, 2]
    assert requests["userId"].to_list() == [1, 2, 1, 3]
    assert requests["timestamp"].to_list() == [JANUARY, FEBRUARY] * 2
    assert requests["rating"].null_count() == 4


def test_event_log_with_words_and_dates(tmp_path):
    path = tmp_path / "events.csv"
    EVENTS.to_csv(path, index=False)
    meta, requests, movies = read_events(path, **NAMES)
    check_events(requests, movies)
    assert meta["repairs"] == []
    panel = pl.read_parquet(paths.PROCESSED / "events.csv-month" / "panel.parquet")
    assert panel["mean_rating"].null_count() == panel.height == 4


@pytest.mark.parametrize("unit", ["datetime64[s]", "datetime64[ns]", "int", "float"])
def test_event_log_in_parquet(unit, tmp_path):
    path = tmp_path / "events.parquet"
    when = pd.to_datetime(EVENTS["when"])
    if not unit.startswith("datetime"):
        when = when.astype("datetime64[s]").astype("int64")
    EVENTS.assign(when=when.astype(unit)).to_parquet(path)
    _, requests, movies = read_events(path, **NAMES)
    check_events(requests, movies)


def test_event_log_in_parquet_with_a_time_zone_and_categories(tmp_path):
    path = tmp_path / "events.parquet"
    when = pd.to_datetime(EVENTS["when"]).dt.tz_localize("UTC")
    events = EVENTS.assign(
        when=when.dt.tz_convert("Asia/Seoul"), what=EVENTS["what"].astype("category")
    )
    events.to_parquet(path)
    _, requests, movies = read_events(path, **NAMES)
    check_events(requests, movies)


@pytest.mark.parametrize(
    "stamp",
    [
        "2020-02-01",
        "2020-02-01 00:00",
        "2020-02-01 00:00:00.25",
        "2020-02-01T00:00:00Z",
        "2020-02-01T09:00:00+09:00",
        "1580515200.75",
    ],
)
def test_forms_of_time(stamp, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(f"user,item,time\na,b,2019-01-01\na,c,{stamp}\n")
    _, requests, _ = read_events(path)
    assert requests["timestamp"].to_list() == [1546300800, FEBRUARY]


def test_event_log_in_a_folder_with_usual_names(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "visits.tsv").write_text(
        "item_id\tuser_id\tts\n7\t1\t1580515199\n8\t1\t1580515200\n"
    )
    meta, requests, movies = read_events(folder)
    assert requests["movieId"].to_list() == [7, 8]
    assert movies["title"].to_list() == ["Item 7", "Item 8"]
    assert meta["dataset"] == "shop"


def test_text_columns_beside_do_not_disturb(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text('user,note,item,time\n1,"a, b",7,0\n2,"c\nd",8,9999999\n')
    _, requests, _ = read_events(path)
    assert requests["movieId"].to_list() == [7, 8]


# Movies


@pytest.mark.parametrize(
    ("title", "year"),
    [
        ("Toy Story (1995)", 1995),
        ("Toy Story (1995) ", 1995),
        ("2001: A Space Odyssey (1968)", 1968),
        ("Land Before Time III (1995) (V)", 1995),
        ("Fawlty Towers (1975-1979)", 1975),
        ("Death Note (2006–2007)", 2006),
        ("Black Mirror (2011– )", 2011),
        ("Star Wars (a.k.a. Episode IV (1977)) (1978)", 1978),
        ("(500) Days of Summer", None),
        ("1984", None),
        ("Area (12345)", None),
        ("Nonsense (3000)", None),
    ],
)
def test_release_year(title, year):
    found = pl.select(release_year(pl.lit(title))).item()
    assert found == year


def test_texts_are_joined_by_links(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder)
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n10,001,77\n20,002,\n")
    (folder / "movies_metadata.csv").write_text(
        "id,title,genres,release_date,overview,tagline\n"
        '77,Cafe,[],1995-01-01,"Two lines\nof text",Yes\n'
        "1997-08-20,Broken row,[],1,x,y\n"
    )
    preprocess(str(folder), "month")
    movies = tables("set-month")["movies"]
    assert movies["overview"].to_list() == ["Two lines\nof text", None]
    assert movies["title"][0] == "Café, The (1995)"


def test_kaggle_layout_without_movies_csv(tmp_path):
    folder = tmp_path / "kaggle"
    folder.mkdir()
    write_csv(folder)
    (folder / "movies.csv").unlink()
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n10,001,77.0\n20,002,78\n")
    (folder / "movies_metadata.csv").write_text(
        "id,title,genres,release_date,overview,tagline\n"
        "77,Cafe,\"[{'id': 1, 'name': 'Drama'}, {'id': 2, 'name': 'War'}]\","
        "1995-01-01,x,y\n"
        '78,Two,"[{""id"": 1, ""name"": ""Crime""}]",,x,y\n'
    )
    preprocess(str(folder), "month")
    movies = tables("kaggle-month")["movies"].drop("overview", "tagline")
    assert movies.rows() == [
        (10, "Cafe", "Drama|War", 1995),
        (20, "Two", "Crime", None),
    ]


def test_sample_is_generated_and_marked_synthetic():
    meta = preprocess("sample", "month")
    assert meta["synthetic"] is True and meta["rows"] > 1000
    folder = paths.PROCESSED / "sample-month"
    movies = pl.read_parquet(folder / "movies.parquet")
    assert movies["overview"].null_count() < movies.height / 2
    assert pl.read_parquet(folder / "users.parquet")["age"].null_count() == 0


# Real data


def real_data(name):
    if not (DATA / name).exists():
        pytest.skip(f"real data is not here: {DATA / name}")
    return DATA / name


KNOWN = [
    ("ml-100k", "7d", {}, 100_000, 943, 1682, 31),
    ("ml-100k", "day", {}, 100_000, 943, 1682, 215),
    ("ml-latest-small", "30d", {}, 100_836, 610, 9724, 275),
    ("ml-latest-small.zip", "91d", {}, 100_836, 610, 9724, 91),
    ("ml-latest-small-2016", "year", {}, 100_004, 671, 9066, 22),
    ("ml-1m-first-2999-users", "7d", {"max_slots": 57}, None, None, 3598, 57),
    ("ml-1m-first-2999-users", "month", {}, 487_650, 2999, None, None),
    ("the-movies-dataset", "year", {}, 100_004, 671, 9066, 22),
    ("ml-10m-sample", "year", {}, 220, None, None, None),
]


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: f"{k[0]}-{k[1]}")
def test_known_counts_of_real_sets(known):
    name, slot, arguments, *expected = known
    meta = preprocess(str(real_data(name)), slot, **arguments)
    found = [meta["rows"], meta["users"], meta["movies"], meta["slots"]]
    for count, value in zip(found, expected, strict=True):
        assert value is None or count == value


def test_real_latin_1_and_utf_8_titles():
    meta = preprocess(str(real_data("ml-1m-first-2999-users")), "year")
    assert meta["repairs"] == []
    movies = tables("ml-1m-first-2999-users-year")["movies"]
    assert movies.filter(pl.col("title").str.contains("Misérables")).height


def test_real_tags_as_an_event_log():
    path = real_data("ml-10m-sample") / "tags.dat"
    meta = preprocess(str(path), "month")
    dropped = sum(r["count"] for r in meta["repairs"])
    assert meta["rows"] + dropped == 95_580


def test_real_set_copied_without_its_movies(tmp_path):
    copy = tmp_path / "u.data"
    shutil.copy(real_data("ml-100k") / "u.data", copy)
    assert preprocess(str(copy), "month")["rows"] == 100_000
