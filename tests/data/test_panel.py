"""The panel against definitions written down a second time, in plain pandas."""

import datetime as dt

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.engines import write_panel
from lib.data.panel import PANEL_SCHEMA, build_panel
from lib.data.slots import check_slot, end_of_slots, slot_range, slot_start
from lib.paths import ROOT

DATA = ROOT.parent / "shared" / "data"
DAY = 86_400
PERIODS = {"hour": "h", "day": "D", "week": "W-SUN", "month": "M", "quarter": "Q"}
PERIODS["year"] = "Y"
SLOTS = [*PERIODS, "7d", "91d"]
MOVIES = pl.DataFrame(
    {
        "movieId": [1, 2, 3, 2**40],
        "genres": ["Drama", "Comedy|War", "Crime", "War"],
        "release_year": pl.Series([1990, 1991, None, 1993], dtype=pl.Int32),
    }
)


def panel_of(log, slot):
    movies = MOVIES.lazy()
    return build_panel(pl.LazyFrame(log), movies, slot).collect().to_pandas()


def make_log(rng, rows, first="1999-12-20", days=800):
    start = int(pd.Timestamp(first).timestamp())
    return pd.DataFrame(
        {
            "movieId": rng.choice([1, 2, 3, 2**40], rows, p=[0.6, 0.2, 0.15, 0.05]),
            "rating": rng.integers(1, 11, rows) / 2,
            "timestamp": start + rng.integers(0, days * DAY, rows),
        }
    )


def starts_by_pandas(timestamps, slot):
    """Start of each slot by pandas' own calendar."""
    moments = pd.to_datetime(pd.Series(timestamps), unit="s")
    if slot in PERIODS:
        return moments.dt.to_period(PERIODS[slot]).dt.start_time.to_numpy("M8[us]")
    width = f"{slot[:-1]}D"
    return moments.dt.floor(width).to_numpy("M8[us]")


@pytest.mark.parametrize("slot", SLOTS)
def test_panel_equals_plain_pandas(slot):
    log = make_log(np.random.default_rng(1), 3_000)
    found = panel_of(log, slot)
    assert found.columns.tolist() == list(PANEL_SCHEMA)

    log["slot"] = starts_by_pandas(log["timestamp"], slot)
    groups = log.groupby(["slot", "movieId"])["rating"]
    expected = groups.agg(requests="size", mean_rating="mean").reset_index()
    total = expected.groupby("slot")["requests"].transform("sum")
    expected["popularity"] = expected["requests"] / total
    for column in expected:
        np.testing.assert_array_equal(found[column], expected[column], column)
    joined = expected.merge(MOVIES.to_pandas(), on="movieId", how="left")
    assert found["genres"].tolist() == joined["genres"].tolist()
    assert found["release_year"].isna().equals(found["movieId"] == 3)


def label_by_hand(log, seconds, to_bucket):
    """The original's two numbers, by its own steps: one bucket of time after another.

    label: how often each movie occurs among the bucket's rows; label_n: that divided
    by the number of the bucket's rows.
    """
    bucket = to_bucket(log["timestamp"] / seconds)
    tables = []
    for value in np.unique(bucket):
        rows = log[bucket == value]
        label = rows["movieId"].value_counts().sort_index()
        tables.append(
            pd.DataFrame(
                {"bucket": value, "label": label, "label_n": label / len(rows)}
            )
        )
    return pd.concat(tables).reset_index()


@pytest.mark.parametrize("slot", ["hour", "day"])
def test_requests_and_popularity_are_the_originals_labels(slot):
    log = make_log(np.random.default_rng(2), 800, days=40)
    found = panel_of(log, slot)
    expected = label_by_hand(log, {"hour": 3600, "day": DAY}[slot], np.floor)
    np.testing.assert_array_equal(found["movieId"], expected["movieId"])
    np.testing.assert_array_equal(found["requests"], expected["label"])
    np.testing.assert_allclose(found["popularity"], expected["label_n"], rtol=1e-15)


@pytest.mark.parametrize("packed", [False, True])
def test_means_of_odd_ratings_are_the_same_bit_by_bit(packed):
    rng = np.random.default_rng(4)
    log = make_log(rng, 60_000)
    log["movieId"] = log["movieId"].clip(upper=3)  # a packed id has to be small
    log["rating"] = rng.uniform(0.1, 9.7, len(log))
    means = set()
    for run in range(20):
        rows = pl.from_pandas(log.sample(frac=1, random_state=run)).lazy()
        panel = build_panel(rows, MOVIES.lazy(), "year", packed)
        means.add(panel.collect(engine="streaming")["mean_rating"].to_numpy().tobytes())
    assert len(means) == 1
    years = pd.to_datetime(log["timestamp"], unit="s").dt.year
    plain = log.groupby([years, "movieId"])["rating"].mean()
    np.testing.assert_allclose(np.frombuffer(means.pop()), plain, atol=1e-6)


@pytest.mark.parametrize("largest", [50, 2**43])  # such an id cannot be packed
def test_parts_of_a_log_give_the_same_panel_as_the_whole(
    largest, tmp_path, monkeypatch
):
    rng = np.random.default_rng(5)
    log = make_log(rng, 3_000).assign(movieId=rng.integers(0, 40, 3_000))
    log.loc[log["movieId"] == 39, "movieId"] = largest
    log.loc[::7, "rating"] = np.nan
    requests = tmp_path / "requests.parquet"
    pl.from_pandas(log).write_parquet(requests)
    ids = np.unique(log["movieId"])
    movies = pl.DataFrame({"movieId": ids}).with_columns(
        genres=pl.lit("War"), release_year=pl.lit(1990, pl.Int32)
    )
    panels = []
    for rows in (3_000, 700, 64):
        monkeypatch.setattr("lib.data.engines.PART_ROWS", rows)
        write_panel(requests, movies, "month", tmp_path / f"{rows}.parquet")
        panels.append(pl.read_parquet(tmp_path / f"{rows}.parquet"))
    assert panels[0]["requests"].sum() == 3_000 > panels[0].height > 100
    assert panels[0].equals(panels[1]) and panels[0].equals(panels[2])


def test_the_originals_rounding_up_moves_only_the_name_of_a_bucket():
    """ceil(x) = floor(x) + 1 but at exact multiples, which it puts one bucket early.

    Rounding up every time is rounding down the time one second before, plus one:
    shifted so, our panel gives the original's numbers on all rows.
    """
    log = make_log(np.random.default_rng(3), 800, days=40)
    log.loc[:50, "timestamp"] = log.loc[:50, "timestamp"] // DAY * DAY
    expected = label_by_hand(log, DAY, np.ceil)
    found = panel_of(log.assign(timestamp=log["timestamp"] - 1), "day")
    days = (found["slot"] - pd.Timestamp("1970-01-01")).dt.days
    np.testing.assert_array_equal(days + 1, expected["bucket"])
    np.testing.assert_array_equal(found["movieId"], expected["movieId"])
    np.testing.assert_array_equal(found["requests"], expected["label"])
    np.testing.assert_allclose(found["popularity"], expected["label_n"], rtol=1e-15)


def test_real_requests_and_popularity_are_the_originals_labels():
    path = DATA / "ml-latest-small" / "ratings.csv"
    if not path.exists():
        pytest.skip(f"real data is not here: {path}")
    log = pd.read_csv(path).sort_values("timestamp").tail(30_000)
    expected = label_by_hand(log, DAY, np.floor)
    found = panel_of(log, "day")
    np.testing.assert_array_equal(found["movieId"], expected["movieId"])
    np.testing.assert_array_equal(found["requests"], expected["label"])
    np.testing.assert_allclose(found["popularity"], expected["label_n"], rtol=1e-15)


# Properties

LOGS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 2**40]),
        st.sampled_from([None, *np.arange(1, 11) / 2]),
        st.integers(0, 4_102_444_799),
    ),
    min_size=1,
    max_size=40,
)
SCHEMA = {"movieId": pl.Int64, "rating": pl.Float64, "timestamp": pl.Int64}


def collect(rows, slot, packed=True):
    log = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    return build_panel(log, MOVIES.lazy(), slot, packed).collect()


@settings(deadline=None, max_examples=60)
@given(LOGS, st.sampled_from(SLOTS), st.randoms(use_true_random=False))
def test_properties_of_any_panel(rows, slot, random):
    panel = collect(rows, slot)
    assert panel["requests"].sum() == len(rows)
    assert panel["requests"].min() >= 1
    sums = panel.group_by("slot").agg(pl.col("popularity").sum())["popularity"]
    np.testing.assert_allclose(sums, 1, rtol=1e-12)
    keys = panel.select("slot", "movieId")
    assert keys.equals(keys.sort("slot", "movieId"))
    assert keys.is_unique().all()
    assert collect(rows, slot, packed=False).equals(panel)
    random.shuffle(rows)
    assert collect(rows, slot).equals(panel)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 4_102_444_799), st.sampled_from(SLOTS))
def test_slot_of_any_second_is_pandas_own(second, slot):
    frame = nw.from_native(pl.DataFrame({"timestamp": [second]}))
    start = frame.select(slot_start(nw.col("timestamp"), slot))["timestamp"][0]
    assert pd.Timestamp(start, unit="s") == starts_by_pandas([second], slot)[0]
    assert start <= second
    after = end_of_slots(pd.Timestamp(start, unit="s"), slot, 1)
    assert pd.Timestamp(second, unit="s") < after


# Slots


def starts(moments, slot):
    seconds = [int(pd.Timestamp(m).timestamp()) for m in moments]
    frame = nw.from_native(pl.DataFrame({"timestamp": seconds}))
    found = frame.select(slot_start(nw.col("timestamp"), slot))["timestamp"]
    return [str(dt.datetime.fromtimestamp(s, dt.UTC).date()) for s in found]


def test_weeks_begin_on_monday():
    moments = ["2023-12-31 23:59:59", "2024-01-01", "2024-01-07 23:59:59"]
    assert starts(moments, "week") == ["2023-12-25", "2024-01-01", "2024-01-01"]
    assert starts(["1970-01-01", "1970-01-05"], "week") == ["1969-12-29", "1970-01-05"]


def test_months_quarters_and_years_follow_the_calendar():
    moments = ["2000-02-29", "2000-12-31 23:59:59", "2001-01-01", "2001-08-31"]
    assert starts(moments, "month")[0] == "2000-02-01"
    assert starts(moments, "quarter") == [
        "2000-01-01",
        "2000-10-01",
        "2001-01-01",
        "2001-07-01",
    ]
    assert starts(moments, "year") == ["2000-01-01"] * 2 + ["2001-01-01"] * 2


def test_days_are_counted_from_the_epoch():
    assert starts(["1970-01-07 23:59:59", "1970-01-08"], "7d") == [
        "1970-01-01",
        "1970-01-08",
    ]


def test_names_of_slots():
    assert check_slot("WEEK") == "week"
    assert check_slot("07D") == "7d"


@pytest.mark.parametrize("slot", SLOTS)
def test_range_is_unbroken_and_numbers_fit(slot):
    seconds = [DAY * 400 + 5, DAY * 900, DAY * 2300 + 7]
    found = starts_by_pandas(seconds, slot)
    grid = slot_range(found[0], found[-1], slot)
    assert grid[0] == found[0] and grid[-1] == found[-1]
    assert grid.unit == "us" and grid.tz is None
    for before, after in zip(grid[:49], grid[1:50], strict=False):
        assert end_of_slots(before, slot, 1) == after
    numbers = grid.get_indexer(found)
    assert numbers[0] == 0 and numbers[-1] == len(grid) - 1
    assert grid[numbers[1]] == found[1]


def test_twenty_slots_end_where_the_next_begins():
    for slot in SLOTS:
        first = starts_by_pandas([DAY * 10_000], slot)[0]
        end = end_of_slots(first, slot, 20)
        assert slot_range(first, end, slot).size == 21
