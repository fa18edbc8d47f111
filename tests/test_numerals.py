"""Every numeral in the text of a notebook is made by code, but for definitions."""

import re

import nbformat
import pytest

from lib.paths import NOTEBOOKS

FILES = sorted(NOTEBOOKS.glob("**/[0-9]*.ipynb"))
# What a reader takes for no number of ours
DEFINED = re.compile(
    r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)"  # code, formulas, targets of links
    r"|^#+ \d+\.|^\d+\. |^\| \d \||\(\d\)"  # numbers of sections, items, rows
    r"|\bsection \d+|(?<![.,])\b0\d(?:_\w+)?\b"  # places in the series
    r"|\b[A-Z][\w-]*(?: et al\.)?,? (?:18|19|20)\d\d\b"  # an author and the year
    r"|\b[Tt]ypes? \d(?: and \d)?"  # of prediction
    r"|\b\d\d %(?= (?:bootstrap )?interval)|\b(?:interval holds|whiskers) \d\d %"
    r"|\blevel \d\d %|\bin \d\d % of the cells"  # levels that are asked for
    r"|10⁻\S",  # a unit
    re.DOTALL | re.MULTILINE,
)
NAMES = (
    r"Conv1D|MovieLens \d+[KM]|\b1M\b|\bM5\b|S3-FIFO|RP3beta|\bu1\b|@10\b|\btop 10\b"
)
ENDS = {"0", "1"}  # of a scale
# Numbers of others, repeated as they gave them, and sizes that a measure is named by
QUOTED = {
    "01_preprocess": {"15", "26"},  # hours and million rows of the original code
    "03_lstm": {"0.017", "0.027", "1000"},  # a student's report
    "06_compare_models": {"50"},  # hits@50
    "recommenders/01_explore": {"10"},  # TMDB's scale of votes
    "recommenders/02_recommendernet": {"0.787", "200", "128", "64"},  # its report
    "recommenders/03_wide_deep": {"1.21", "64", "32"},  # its report
    "recommenders/04_svdpp": {"0.5113"},  # its report
    "recommenders/05_neural_cf": {
        *("0.61", "50", "16", "64", "128", "32", "0.01", "512"),  # its report
        "99",  # candidates of the literature's protocol
    },
    "recommenders/06_content_hybrid": {"99"},
    "recommenders/07_compare": {"0.787", "1.21", "0.5113", "0.61", "99"},
}


def typed(text: str) -> set[str]:
    """Numerals in a Markdown text that are not part of a definition or a name."""
    text = text.partition("## References")[0]
    text = re.sub(NAMES, " ", DEFINED.sub(" ", text))
    return set(re.findall(r"\d+(?:[.,]\d+)*", text)) - ENDS


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_numeral_is_typed(path):
    cells = nbformat.read(path, as_version=4).cells
    found = {n for c in cells if c.cell_type == "markdown" for n in typed(c.source)}
    name = path.relative_to(NOTEBOOKS).with_suffix("").as_posix()
    assert found == QUOTED.get(name, set())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The LSTM has 5.79 nats, 3,000 weights.", {"5.79", "3,000"}),
        ("an RMSE of 0.05 or 1.2", {"0.05", "1.2"}),
        ("(Cho et al., 2014), Brown 1959, shares from 0 to 1", set()),
        ("the 95 % interval leaves out 12 % of the slots", {"12"}),
        ("in 2014 it had 7 slots", {"2014", "7"}),
        ("## 3. Time\n\n`x[3]` and $x^2$, [LSTM](03_lstm.ipynb)", set()),
    ],
)
def test_a_typed_numeral_is_found(text, found):
    assert typed(text) == found
