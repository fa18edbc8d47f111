"""A drawing of a network's layers, without graphviz."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from lib.figures.style import ORANGE, WIDTH

FILL = {
    "InputLayer": "#E8E8E8",
    "SimpleRNN": "#CFE6F5",
    "LSTM": "#CFE6F5",
    "GRU": "#CFE6F5",
    "Bidirectional": "#CFE6F5",
    "Conv1D": "#CDEBDF",
    "Dense": "#FBE3CF",
    "Activation": "#F6E9F1",
}
# Operations that only rearrange numbers would lengthen the drawing and teach nothing.
HIDDEN = ("Transpose", "Reshape", "Squeeze", "Dropout")
ROW = 0.36  # inches


def _shape(layer) -> str:
    shape = layer.output.shape
    return "(" + ", ".join("–" if size is None else str(size) for size in shape) + ")"


def _parents(layer, layers) -> list:
    """The drawn layers whose output reaches this one, through hidden ones too."""
    found = []
    for node in layer._inbound_nodes:
        for parent in node.parent_nodes:
            operation = parent.operation
            if operation in layers:
                found.append(operation)
            else:
                found += _parents(operation, layers)
    return list(dict.fromkeys(found))


def draw_model(model, title: str = "") -> Figure:
    """Draw the layers of a model from input to output.

    Args:
        model: a functional Keras model.
        title: heading of the figure.

    Returns:
        A figure: one box per layer with its name, type, output shape and number of
        weights; "–" in a shape is the number of samples.
    """
    layers = [
        layer
        for layer in model.operations
        if not layer.__class__.__name__.startswith(HIDDEN)
    ]
    parents = {layer: _parents(layer, layers) for layer in layers}
    depth: dict = {}
    for layer in layers:
        depth[layer] = 1 + max((depth[one] for one in parents[layer]), default=-1)
    for layer in reversed(layers):  # an input stands just above its first reader
        readers = [depth[other] for other in layers if layer in parents[other]]
        if readers and not parents[layer]:
            depth[layer] = min(readers) - 1
    columns = {}
    for layer in layers:
        row = [other for other in columns if depth[other] == depth[layer]]
        columns[layer] = len(row)
    rows = 1 + max(depth.values())
    fig, axes = plt.subplots(figsize=(6.3, ROW * rows + 0.4))
    for layer in layers:
        _box(axes, layer, columns[layer], depth[layer])
        for parent in parents[layer]:
            _arrow(axes, columns, depth, parent, layer)
    axes.set(xlim=(-1.4, 3.2), ylim=(rows - 0.45, -0.55), title=title)
    axes.axis("off")
    return fig


def _arrow(axes, columns, depth, parent, layer) -> None:
    """Straight down, around boxes in between, or in from an input at the side."""
    x, start, end = 2.1 * columns[parent], depth[parent], depth[layer]
    if columns[parent] != columns[layer]:
        tail, head = (x, start + 0.36), (2.1 * columns[layer] + 0.97, end)
        bend = "angle,angleA=90,angleB=0,rad=4"
    elif end - start > 1:
        tail, head = (x - 0.97, start), (x - 0.97, end)
        bend = "bar,fraction=-0.08"
    else:
        tail, head, bend = (x, start + 0.36), (x, end - 0.36), "arc3"
    axes.annotate(
        "",
        xy=head,
        xytext=tail,
        arrowprops={
            "arrowstyle": "-|>",
            "color": "#444444",
            "connectionstyle": bend,
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _box(axes, layer, column: int, row: int) -> None:
    kind = layer.__class__.__name__
    name = f"{layer.name} · {kind}"
    if kind == "MovieWise":  # each movie passes by itself
        kind = layer.layer.__class__.__name__
        name = f"{layer.name} · {kind} (each alone)"
    text = f"{name}\n{_shape(layer)}"
    weights = layer.count_params() if hasattr(layer, "count_params") else 0
    if weights:
        text += f" · {weights:,} weights"
    axes.add_patch(
        FancyBboxPatch(
            (2.1 * column - 0.95, row - 0.34),
            1.9,
            0.68,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=FILL.get(kind, "#F4F4F4"),
            edgecolor="#444444",
            linewidth=0.8,
        )
    )
    axes.text(2.1 * column, row, text, ha="center", va="center", size=7)


def layer_table(model) -> pd.DataFrame:
    """Type, output shape and number of weights of each layer.

    A table instead of a drawing: in a network that uses a layer twice, the second use
    would point backwards.
    """
    rows = []
    for layer in model.layers:
        for use, node in enumerate(layer._inbound_nodes):
            shape = str(tuple(node.output_tensors[0].shape)).replace("None", "–")
            weights = "shared" if use else f"{layer.count_params():,}"
            rows.append((use, layer.name, type(layer).__name__, shape, weights))
    rows.sort(key=lambda row: row[0])  # the second use of a layer comes last
    columns = ["use", "layer", "type", "output shape", "weights"]
    table = pd.DataFrame(rows, columns=columns).set_index("layer")
    return table[table["type"] != "Dropout"].drop(columns="use")


def prediction_types() -> Figure:
    """The four ways to cut samples, after Figure 1 of the course brief.

    Returns:
        A figure with a panel for each type, four movies by five slots: cells that a
        sample reads are filled, those it has to forecast are framed.
    """
    fig, panels = plt.subplots(1, 4, figsize=(WIDTH, 2.1), sharey=True)
    for kind, ax in enumerate(panels, start=1):
        movies = range(1) if kind % 2 else range(4)
        first = 1 if kind < 3 else 4
        for movie in range(4):
            for slot in range(5):
                read = movie in movies and slot < 4
                asked = movie in movies and slot >= first
                cell = Rectangle((slot - 0.4, movie - 0.4), 0.8, 0.8, lw=2)
                cell.set(fc="#CFE6F5" if read else "#F4F4F4")
                cell.set(ec=ORANGE if asked else "none")
                ax.add_patch(cell)
        ax.set(xlim=(-0.6, 4.6), ylim=(3.6, -0.6), aspect="equal", title=f"Type {kind}")
        ax.set_xticks(range(5), [f"t{slot}" for slot in range(1, 6)])
        ax.set_yticks(range(4), "ABCD")
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("slot")
    panels[0].set_ylabel("movie")
    return fig
