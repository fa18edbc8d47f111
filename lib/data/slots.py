"""Time slots: their names, which slot a timestamp falls into, and the unbroken grid.

A slot is a calendar hour, day, week (from Monday), month, quarter or year in UTC, or
``Nd``: N days counted from 1970-01-01, so slot number floor(timestamp / (N * 86400)).
A slot's value is the moment it starts.
"""

import re

import narwhals as nw
import pandas as pd

from lib.errors import UserError
from lib.schema import CALENDAR_SLOTS

DAY = 86_400  # seconds
_FIXED_SECONDS = {"hour": 3_600, "day": DAY, "week": 7 * DAY}
_FREQUENCIES = {"month": "MS", "quarter": "QS", "year": "YS"}
_MONDAY = 3 * DAY  # 1970-01-01 was a Thursday, three days after a Monday


def check_slot(slot: str) -> str:
    """Normalise the name of a slot.

    Args:
        slot: ``hour``, ``day``, ``week``, ``month``, ``quarter``, ``year`` or ``Nd``.

    Returns:
        The name in lower case, the number of days without leading zeros.

    Raises:
        UserError: The name is none of these.
    """
    name = str(slot).strip().lower()
    if name in CALENDAR_SLOTS:
        return name
    if days := re.fullmatch(r"0*([1-9]\d{0,4})d", name):
        return f"{days[1]}d"
    raise UserError(
        f"SLOT={slot}: no such slot; use one of {', '.join(CALENDAR_SLOTS)}, or a "
        "number of days such as 7d or 91d"
    )


def _width(slot: str) -> int | None:
    """Length of a slot in seconds, None for those whose length varies."""
    if slot.endswith("d"):
        return int(slot[:-1]) * DAY
    return _FIXED_SECONDS.get(slot)


def slot_start(timestamp: nw.Expr, slot: str, second: int = 1_000_000) -> nw.Expr:
    """Start of the slot that each timestamp falls into.

    Only integer arithmetic and date parts are used: every engine behind narwhals has
    them, while Dask cannot truncate to months.

    Args:
        timestamp: int64, Unix seconds, not negative.
        slot: Name of the slot, see `check_slot`.
        second: What the engine's cast from int64 to a moment takes for a second:
            microseconds, on Spark (in UTC) 1.

    Returns:
        int64, Unix seconds of the start.
    """
    slot = check_slot(slot)

    def date(days: nw.Expr) -> nw.Expr:
        return (days * (DAY * second)).cast(nw.Datetime("us"))

    def first_of_month(days: nw.Expr) -> nw.Expr:
        return days - (date(days).dt.day().cast(nw.Int64) - 1)

    if width := _width(slot):
        shift = _MONDAY if slot == "week" else 0
        return (timestamp + shift) // width * width - shift
    days = timestamp // DAY
    if slot == "year":
        start = days - (date(days).dt.ordinal_day().cast(nw.Int64) - 1)
    else:
        start = first_of_month(days)
    if slot == "quarter":
        # 28 or 56 days before the first of its second or third month every quarter
        # is in its first month: two months have at least 59 days, one at most 31.
        months = (date(days).dt.month().cast(nw.Int64) - 1) % 3
        start = first_of_month(start - 28 * months)
    return start * DAY


def slot_range(first, last, slot: str) -> pd.DatetimeIndex:
    """Starts of all slots from one to another, with none left out.

    Args:
        first: Start of the first slot (anything that `pandas.Timestamp` takes, UTC).
        last: Start of the last slot; it is included.
        slot: Name of the slot.

    Returns:
        DatetimeIndex of the starts, UTC without a time zone.
    """
    slot = check_slot(slot)
    width = _width(slot)
    frequency = pd.Timedelta(seconds=width) if width else _FREQUENCIES[slot]
    return pd.date_range(first, last, freq=frequency, unit="us", name="slot")


def end_of_slots(first, slot: str, count: int) -> pd.Timestamp:
    """Moment at which ``count`` slots, the first starting at ``first``, are over."""
    slot = check_slot(slot)
    if width := _width(slot):
        length = pd.Timedelta(seconds=width * count)
    else:
        months = {"month": 1, "quarter": 3, "year": 12}[slot] * count
        length = pd.DateOffset(months=months)
    end = pd.Timestamp(first) + length
    assert isinstance(end, pd.Timestamp)  # and not NaT: both are given
    return end
