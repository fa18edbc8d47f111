"""The users of a data set, where it says who they are."""

from pathlib import Path

import polars as pl

from lib.data.text_tables import read_table, split_lines, whole_numbers
from lib.schema import AGE, GENDER, OCCUPATION, USER, ZIP

# ml-1m codes occupations by their place in this list (its README)
OCCUPATIONS = (
    "other|academic/educator|artist|clerical/admin|college/grad student|"
    "customer service|doctor/health care|executive/managerial|farmer|homemaker|"
    "K-12 student|lawyer|programmer|retired|sales/marketing|scientist|self-employed|"
    "technician/engineer|tradesman/craftsman|unemployed|writer"
).split("|")

USER_SCHEMA = {
    USER: pl.Int64,
    AGE: pl.Int32,
    **dict.fromkeys((GENDER, OCCUPATION, ZIP), pl.String),
}


def read_users(folder: Path, shown: str) -> pl.DataFrame | None:
    """Read the users that lie beside a request log.

    Args:
        folder: The folder of the log.
        shown: The folder as messages name it.

    Returns:
        userId (int64), age (int32, years; in ml-1m the lower end of a range), gender,
        occupation, zip (text); null where unknown. None without a file of users.

    Raises:
        UserError: The file cannot be read, with its line and what was found there.
    """
    readers = {"users.csv": _read_csv, "users.dat": _read_dat, "u.user": _read_user}
    name = next((n for n in readers if (folder / n).is_file()), None)
    if name is None:
        return None
    users = readers[name](folder / name, f"{shown}/{name}")
    age = pl.col(AGE).cast(pl.Int32, strict=False)
    users = users.select(USER, age, GENDER, OCCUPATION, ZIP)
    return users.unique(USER, keep="first", maintain_order=True)


def _read_csv(path: Path, shown: str) -> pl.DataFrame:
    table = whole_numbers(read_table(path, shown, [USER]), USER, shown)
    absent = [c for c in (AGE, GENDER, OCCUPATION, ZIP) if c not in table.columns]
    return table.with_columns(pl.lit(None, pl.String).alias(c) for c in absent)


def _read_dat(path: Path, shown: str) -> pl.DataFrame:
    table = split_lines(path, shown, "::", [USER, GENDER, AGE, OCCUPATION, ZIP])
    codes = {str(i): name for i, name in enumerate(OCCUPATIONS)}
    table = table.with_columns(pl.col(OCCUPATION).replace(codes))
    return whole_numbers(table, USER, shown, header=0)


def _read_user(path: Path, shown: str) -> pl.DataFrame:
    table = split_lines(path, shown, "|", [USER, AGE, GENDER, OCCUPATION, ZIP])
    return whole_numbers(table, USER, shown, header=0)
