"""Drawings of what networks read and put out."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from lib.figures.network import prediction_types
from lib.figures.style import ORANGE


@pytest.mark.parametrize(
    ("kind", "read", "asked"), [(1, 4, 4), (2, 16, 16), (3, 4, 1), (4, 16, 4)]
)
def test_each_prediction_type_reads_and_forecasts_its_cells(kind, read, asked):
    fig = prediction_types()
    cells = fig.axes[kind - 1].patches
    plt.close(fig)
    assert len(cells) == 20
    fills = [to_hex(cell.get_facecolor()) for cell in cells]
    assert fills.count("#cfe6f5") == read
    frames = [cell for cell in cells if cell.get_edgecolor()[3] > 0]
    assert {to_hex(cell.get_edgecolor()) for cell in frames} == {ORANGE.lower()}
    assert len(frames) == asked
