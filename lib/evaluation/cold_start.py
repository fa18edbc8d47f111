"""How a forecast fares on movies that have no history yet."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.evaluation.metrics import shares

GROUPS = ("seen_before_cutoff", "new_since_cutoff", "cold_start")


def cold_start(
    counts: np.ndarray, forecast: np.ndarray, cutoff: int, slots: Sequence[int]
) -> pd.DataFrame:
    """Split the cross-entropy by what was known of the requested movies.

    Each request of a scored slot t belongs to one group:
    `seen_before_cutoff`: its movie was requested before the training cut-off;
    `new_since_cutoff`: first requested after the cut-off, but before slot t;
    `cold_start`: first requested in slot t itself, so no history existed.

    Args:
        counts: (T, M) requests of all slots from the first on.
        forecast: (T, M) predicted shares, row t made from rows before t.
        cutoff: index of the first slot that models were not fitted on.
        slots: indices of the scored slots; those without requests are left out.

    Returns:
        One row per group (index: GROUPS) with the columns
        `movies`: distinct movies requested in that role;
        `request_share`: mean over slots of the group's share of the requests;
        `forecast_share`: mean over slots of the share forecast for the group's movies
        (for `cold_start`: for all movies not requested yet);
        `cross_entropy`: mean over slots of −Σ s ln q over the group, in nats; the
        three add up to the cross-entropy of the forecast;
        `nats_per_request`: `cross_entropy` / `request_share`, NaN without requests.
    """
    chosen = np.asarray(slots, dtype=int)
    chosen = chosen[counts[chosen].sum(axis=1) > 0]
    s, q = shares(counts[chosen]), forecast[chosen]
    first = np.where(counts.any(axis=0), (counts > 0).argmax(axis=0), len(counts))
    known, started = first < cutoff, first < chosen[:, None]
    masks = (started & known, started & ~known, ~started)
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = -np.where(s > 0, s * np.log(q), 0.0)
    rows = [
        {
            "movies": int(((s > 0) & mask).any(axis=0).sum()),
            "request_share": (s * mask).sum(axis=1).mean(),
            "forecast_share": (q * mask).sum(axis=1).mean(),
            "cross_entropy": np.where(mask, nats, 0.0).sum(axis=1).mean(),
        }
        for mask in masks
    ]
    table = pd.DataFrame(rows, index=pd.Index(GROUPS, name="group"))
    share = table["request_share"]
    table["nats_per_request"] = table["cross_entropy"] / share.where(share > 0)
    return table
