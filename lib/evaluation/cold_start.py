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


PARTS = ("movies seen", "bucket of new movies", "within the bucket")


def split_entropy(
    counts: np.ndarray, forecast: np.ndarray, slots: Sequence[int]
) -> pd.DataFrame:
    """Cross-entropy of every slot in three parts, which add up to it.

    With Q the share forecast for all movies not requested before the slot, the bucket
    of new movies, and S their share of the requests:

    - movies seen: −Σ s ln(q / (1 − Q)) over movies requested before;
    - bucket of new movies: −S ln Q − (1 − S) ln(1 − Q), how many requests go to them;
    - within the bucket: −Σ s ln(q / Q) over the new ones, which of them.

    Args:
        counts: (T, M) requests of all slots from the first on.
        forecast: (T, M) predicted shares.
        slots: those to score; slots without requests are left out.

    Returns:
        One row per slot, columns PARTS, in nats.
    """
    first = np.where(counts.any(axis=0), (counts > 0).argmax(axis=0), len(counts))
    rows = {}
    for t in slots:
        if not counts[t].any():
            continue
        new, s = first >= t, counts[t] / counts[t].sum(dtype=float)
        q = np.asarray(forecast[t], dtype=float)
        groups = [(q[~new].sum(), s[~new], q[~new]), (q[new].sum(), s[new], q[new])]
        inside = [
            -(share[share > 0] @ np.log(part[share > 0] / total))
            for total, share, part in groups
        ]
        bucket = -sum(
            share.sum() * np.log(total) for total, share, _ in groups if share.any()
        )
        rows[t] = (inside[0], bucket, inside[1])
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(PARTS))
