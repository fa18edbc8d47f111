"""A log becomes a panel and a grid: sources, checks, cleaning, slots, counting."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    preprocessing=("preprocess", "summary"),
    sources=("open_dataset",),
    panel=("build_panel",),
    card=("COLUMNS",),
    grid=("Grid", "load_grid"),
    slots=("slot_range", "slot_start"),
    metadata=("load_metadata", "plain_title"),
)
