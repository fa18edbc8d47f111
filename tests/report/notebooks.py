"""Notebooks as a run leaves them, written by hand so that no kernel is needed."""

import base64
import io
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

EXPLORE = [
    """# 02 Explore the data

What does the log look like, and which features *matter* for the next slot? This
chapter answers with one figure per question.
The share of movie $i$ in slot $t$ is $p_{i,t} = c_{i,t} / \\sum_j c_{j,t}$, with
$\\lambda \\le 1$ and $0 \\leq \\alpha < 1$.""",
    "## 0 Imports and globals\n\nWe import what we need.",
    "## 1 The long tail\n\nA few movies receive most requests, as Järvelin and "
    "Kekäläinen (2002) could have guessed:\n- the top *ten* take a fifth,\n"
    "- the median movie is asked for ≤ 3 times.\n\nSee [the networks](03_lstm.ipynb), "
    "[nowhere](#Missing-Anchor) and [GroupLens](https://grouplens.org/datasets/).",
]
MATH = """## 2 Definitions

The loss over a slot, with $\\odot$ and $\\oplus$ elsewhere, is

\\begin{align}
L_t &= -\\sum_i s_{i,t} \\ln q_{i,t} \\\\
q_{i,t} &= \\frac{e^{z_{i,t}}}{\\sum_j e^{z_{j,t}}}, \\quad
h_t = (1 - z_t) \\odot h_{t-1} + z_t \\odot \\tilde h_t
\\end{align}

and the noise floor

$$\\mathrm{floor} = \\sqrt{\\frac{1}{M}\\sum_i \\frac{s_i (1 - s_i)}{N_t - 1}}
\\qquad \\mathbb{E}[x] \\in \\mathbb{R}^{n \\times m}$$

| symbol | meaning | unit |
|:--|:--|--:|
| $c_{i,t}$ | requests | 1 |
| $\\hat p$ | forecast | share |

> A proper score rewards honest forecasts.

```python
loss = -np.sum(s * np.log(q))  # nats #hash $dollar
```
"""
KERAS = (
    "Epoch 1/3\n\x1b[1m 1/40\x1b[0m \x1b[32m━\x1b[0m\x1b[37m━━━\x1b[0m 1s 25ms/step - "
    "loss: 0.9\x08\x08\x08\x08\r\x1b[1m40/40\x1b[0m ━━━━ 0s 5ms/step - loss: 0.5\n"
    "Epoch 2/3\n40/40 ━━━━━━━━━━━━━━━━━━━━ 0s 4ms/step - loss: 0.4\n"
    "stopped after 2 epochs, λ = 0.1 ≤ 1\n"
)
REFERENCES = """## References

- Hochreiter, S., & Schmidhuber, J. (1997). Long short-term memory. *Neural
  Computation*, 9(8), 1735–1780. https://doi.org/10.1162/neco.1997.9.8.1735
- Kingma, D. P., & Ba, J. (2015). Adam: A method for stochastic optimization. *ICLR*.
"""
NEXT = "## Next\n\nGo on with [03_lstm](03_lstm.ipynb)."


def figure(title: str, height: float = 3.2) -> tuple[bytes, str]:
    """PNG and SVG of a small plot."""
    with matplotlib.rc_context({"svg.hashsalt": "tests"}):
        fig = Figure(figsize=(6.3, height), layout="constrained")
        axes = fig.subplots()
        x = np.arange(40)
        for rate in (0.05, 0.1):
            axes.plot(x, np.exp(-rate * x), label=f"rate {rate}")
        axes.set(title=title, xlabel="epoch", ylabel="loss / nats")
        axes.legend()
        png, svg = io.BytesIO(), io.StringIO()
        fig.savefig(png, format="png", dpi=60, metadata={"Software": None})
        fig.savefig(svg, format="svg", metadata={"Date": None})
    return png.getvalue(), svg.getvalue()


def image_output(png: bytes, **metadata) -> dict:
    """What lib.figures.style.save_figure displays."""
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": "<figure x>"}
    return new_output("display_data", data, metadata=metadata)


def table_output(table: pd.DataFrame, **metadata) -> dict:
    """What lib.figures.style.show_table displays."""
    data = {"text/html": table.to_html(border=0), "text/plain": str(table)}
    return new_output("display_data", data, metadata=metadata)


def code(*outputs, source: str = "secret_code()", tags: tuple = ()) -> dict:
    """A code cell that has run."""
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def tables() -> dict[str, pd.DataFrame]:
    """A short, a long, a wide and a wordy table."""
    rng = np.random.default_rng(0)
    models = ["last_value", "ewma", "lstm", "gru", "conv1d_lstm"]
    metrics = ["cross_entropy", "rmse", "mae", "accuracy", "precision_at_10"]
    short = pd.DataFrame(rng.random((5, 5)).round(4), models, metrics)
    short.index.name, short.columns.name = "model", None
    wide = pd.DataFrame(
        rng.random((6, 14)).round(3),
        [f"a_long_feature_{i}" for i in range(6)],
        [f"precision_at_{k}" for k in range(14)],
    )
    titles = [f"The Movie of Number {i}, or: How I Learned (1964)" for i in range(70)]
    long = pd.DataFrame(
        {
            "movieId": range(70),
            "title": titles,
            "genres": ["Adventure|Animation|Children|Comedy|Fantasy"] * 70,
            "requests": rng.integers(1, 5000, 70),
        }
    )
    pairs = pd.MultiIndex.from_product([["LSTM", "GRU"], ["mean", "sd"]])
    spread = pd.DataFrame(rng.random((3, 4)).round(5), ["rmse", "mae", "ndcg"], pairs)
    very_wide = pd.DataFrame(
        rng.random((4, 24)).round(4), columns=[f"quantile_{k}" for k in range(24)]
    )
    return {
        "short": short,
        "wide": wide,
        "long": long,
        "spread": spread,
        "very_wide": very_wide,
    }


def explore_notebook(figures: Path) -> nbformat.NotebookNode:
    """A chapter with text, math, figures and tables of every kind."""
    png, svg = figure("The long tail")
    figures.mkdir(parents=True, exist_ok=True)
    (figures / "02_explore_tail.svg").write_text(svg)
    table = tables()
    parameters = 'DATASET = "sample"  # name or path\nSEEDS = [0, 1, 2]  # seeds\n'
    cells = [
        *map(new_markdown_cell, EXPLORE[:2]),
        code(source=parameters, tags=("parameters",)),
        new_markdown_cell(EXPLORE[2]),
        code(
            image_output(
                png,
                caption="Requests per movie, λ ≤ 1. Synthetic data.",
                id="02_explore_tail",
            )
        ),
        code(table_output(table["short"], caption="Scores of all models")),
        new_markdown_cell(MATH),
        code(table_output(table["wide"], caption="Features")),
        code(table_output(table["spread"])),
        new_markdown_cell("## 3 All movies\n\nEvery movie with its genres."),
        code(table_output(table["long"], caption="Movies and their genres")),
        code(table_output(table["very_wide"], caption="Quantiles")),
        new_markdown_cell("## 4 Nothing to see"),
        code(source="x = 1"),
        new_markdown_cell("## 5 What we learned\n\n- The tail is **long**."),
        new_markdown_cell(NEXT),
        new_markdown_cell(REFERENCES),
    ]
    return finished(cells)


def train_notebook() -> nbformat.NotebookNode:
    """A chapter with the noise of training."""
    png, _ = figure("Loss over epochs")
    stream = [
        new_output("stream", name="stdout", text=KERAS),
        new_output("stream", name="stderr", text="WARNING: noise\n"),
    ]
    device = new_output(
        "display_data",
        {"text/plain": "Training on CPU (2 cores)"},
        metadata={"environment": {"device": "CPU (2 cores)", "backend": "tensorflow"}},
    )
    value = new_output(
        "execute_result", {"text/plain": "0.123"}, metadata={}, execution_count=3
    )
    words = new_output(
        "display_data", {"text/markdown": "The LSTM wins by **0.004** nats."}
    )
    cells = [
        new_markdown_cell(
            "# 03 LSTM\n\nThe network of Hochreiter and Schmidhuber (1997)."
        ),
        code(source="EPOCHS = 3  # at most\nSEED = 7", tags=("parameters",)),
        new_markdown_cell("## 1 Training\n\nIt learns."),
        code(device, *stream, value),
        code(image_output(png, caption="Loss over epochs.", id="03_lstm_loss")),
        code(words),
        code(new_output("stream", name="stdout", text="hidden\n"), tags=("no-report",)),
        new_markdown_cell(
            REFERENCES.replace("Neural\n  Computation", "Neural Computation")
        ),
    ]
    return finished(cells, parameters={"EPOCHS": 40})


def finished(cells: list, parameters: dict | None = None) -> nbformat.NotebookNode:
    """A notebook with papermill's record of a run."""
    record = {
        "parameters": parameters or {},
        "start_time": "2026-01-02T03:04:05.6",
        "duration": 12.34,
    }
    metadata = {"papermill": record, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


META = {
    "sources": ["ratings.csv"],
    "notes": [{"what": "movies without a year", "count": 3, "action": "kept"}],
    "dataset": "sample",
    "slot": "week",
    "synthetic": True,
    "rows": 123456,
    "users": 1000,
    "movies": 800,
    "slots": 104,
    "first_date": "2020-01-06",
    "last_date": "2021-12-31",
    "repairs": [{"what": "duplicate ratings", "count": 12, "action": "kept the last"}],
}


def write_run(folder: Path) -> list[Path]:
    """Write both notebooks and their figures below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "02_explore": explore_notebook(folder / "figures"),
        "03_lstm": train_notebook(),
    }
    for name, notebook in made.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return [folder / f"{name}.ipynb" for name in made]
