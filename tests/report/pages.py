"""The pages of a report as pictures: how white each of them is."""

import io

import matplotlib.pyplot as plt
import numpy as np

from lib.report.exporters import ReportTypstExporter, compiled


def too_white(document) -> dict[int, float]:
    """Pages more than a third of whose height is empty in one piece, with that share.

    The last page is left out, and what stands before a turned page.
    """
    source, resources = ReportTypstExporter().from_notebook_node(document)
    drawn = compiled(source, resources["outputs"], format="png", ppi=36)
    ink = [plt.imread(io.BytesIO(page)).min(axis=2) < 0.9 for page in drawn]
    turned = {n for n, page in enumerate(ink, start=1) if page.shape[1] > page.shape[0]}
    free = {len(ink)} | turned | {n - 1 for n in turned}
    found = {}
    for number, page in enumerate(ink, start=1):
        height = len(page)
        used = page[int(0.09 * height) : int(0.91 * height)].any(axis=1)
        gaps = np.diff(np.flatnonzero(np.r_[True, used, True]))
        if number not in free and gaps.max() > len(used) / 3:
            found[number] = round(gaps.max() / len(used), 2)
    return found
