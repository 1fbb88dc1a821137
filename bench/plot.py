"""Pictures of the benchmarks' results, for the README.

In:   named curves.     Out: a PNG.
Rule: readable at 700 pixels' width on white and on dark pages; nothing in it that is not a figure.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

Curve = Sequence[tuple[float, float]]
"""Points (x, y) in the order in which they are joined."""


def plot_curves(
    curves: Mapping[str, Curve],
    marks: Mapping[str, tuple[float, float]],
    x_label: str,
    y_label: str,
    file: Path,
) -> None:
    """Draw the curves, and single points with their names beside them; both axes begin at 0."""
    figure, axes = pyplot.subplots(figsize=(7.0, 4.2), dpi=200)
    for (name, curve), colour in zip(curves.items(), ("#888888", "#d98200", "#0a6ebd", "#2a8a3e"), strict=False):
        axes.plot(*zip(*curve, strict=True), marker="o", markersize=4, linewidth=1.8, label=name, color=colour)
    for (name, (x, y)), (right, up, side) in zip(marks.items(), cycle(((7, 7, "left"), (-7, -15, "right")))):
        axes.plot(x, y, marker="D", markersize=7, color="#222222")
        axes.annotate(name, (x, y), xytext=(right, up), textcoords="offset points", fontsize=10, ha=side)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(x_label, fontsize=11)
    axes.set_ylabel(y_label, fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, bbox_inches="tight", facecolor="white")
    pyplot.close(figure)
