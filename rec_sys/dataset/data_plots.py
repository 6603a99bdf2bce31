"""Plots of a description, each as an SVG picture that stands inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rec_sys.dataset.description import Description, percent

SIZE = (5.2, 2.7)  # inches
PLACE = (0.19, 0.18, 0.79, 0.78)  # of the axes in the figure: left, bottom, width, height
COLOR = "#3b6ea5"
TICKS = 8  # labels of an axis of months
SCRIPTS = 8  # scripts that are shown
LETTERS = 56  # letters for which there is room along an axis
MANY_RATINGS = 21  # different ratings beyond which they are counted in groups
LOG_FROM = 40  # reviews of one user or product from which the axes are logarithmic


@dataclass(frozen=True)
class Plot:
    """A picture with its title."""

    title: str
    image: str  # data URI


def plots_of(description: Description) -> list[Plot] | None:
    """A plot of each kind that the data has; None where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401  # not at the head: who only serves has none
    except ModuleNotFoundError:
        return None
    drawn: list[tuple[str, Callable[[Any], None]]] = []
    if description.ratings:
        drawn.append(("Ratings", lambda axis: _ratings(axis, description.ratings)))
    if description.months:
        drawn.append(("Reviews per month", lambda axis: _months(axis, description.months)))
    drawn += [
        ("Reviews per user", lambda axis: _spread(axis, description.users.by_reviews, "users")),
        ("Reviews per product", lambda axis: _spread(axis, description.products.by_reviews, "products")),
    ]
    if texts := description.texts:
        drawn += [
            ("Length of the texts", lambda axis: _lengths(axis, texts.by_length)),
            (f"Scripts, of a sample of {texts.sample:,} texts", lambda axis: _scripts(axis, texts.scripts)),
        ]
    return [Plot(title, svg_image(draw)) for title, draw in drawn]


def svg_image(draw: Callable[[Any], None]) -> str:
    """A picture as a data URI; drawn without pyplot, whose figures belong to the whole process."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure = Figure(figsize=SIZE)
    axis = figure.add_axes(PLACE)  # a layout that is found out takes as long as the drawing
    draw(axis)
    axis.spines[["top", "right"]].set_visible(False)
    if axis.get_yscale() == "linear" and not axis.yaxis_inverted():
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    held = io.StringIO()
    # Letters stay letters: the browser has fonts, and the picture is a tenth of the size.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rec_sys", "font.family": "sans-serif"}):
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return "data:image/svg+xml;base64," + base64.b64encode(held.getvalue().encode()).decode()


def bars(axis: Any, counts: Mapping[str, int], width: float = 0.8) -> None:
    """A bar for each name, with as many names below as there is room for."""
    axis.bar(range(len(counts)), list(counts.values()), width, color=COLOR)
    names = list(counts)
    step = -(-sum(len(name) + 2 for name in names) // LETTERS)
    places = list(range(0, len(counts), step))
    axis.set_xticks(places, [names[place] for place in places])


def _ratings(axis: Any, ratings: Mapping[float, int]) -> None:
    if len(ratings) <= MANY_RATINGS:
        bars(axis, {f"{value:g}": count for value, count in ratings.items()})
    else:
        axis.hist(list(ratings), bins=20, weights=list(ratings.values()), color=COLOR, rwidth=0.9)
    axis.set(xlabel="rating in the file", ylabel="reviews")


def _months(axis: Any, months: Mapping[str, int]) -> None:
    if len(months) <= 60:
        bars(axis, months)
    else:
        axis.fill_between(range(len(months)), list(months.values()), step="mid", color=COLOR)
        places = list(range(0, len(months), -(-len(months) // TICKS)))
        names = list(months)
        axis.set_xticks(places, [names[place] for place in places])
        axis.set_ylim(bottom=0)
    axis.tick_params(axis="x", labelsize=8)
    axis.set(ylabel="reviews")


def _spread(axis: Any, by_reviews: Mapping[int, int], what: str) -> None:
    """How many users or products have how many reviews; both axes logarithmic where they reach far."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    if max(by_reviews, default=0) < LOG_FROM:
        most = max(by_reviews, default=1)
        bars(axis, {str(reviews): by_reviews.get(reviews, 0) for reviews in range(1, most + 1)})
    else:
        axis.scatter(list(by_reviews), list(by_reviews.values()), s=12, color=COLOR)
        axis.set(xscale="log", yscale="log")
        plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_locator(LogLocator(subs=(1, 3)))
            each.set_major_formatter(plain)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axis.set(xlabel="reviews", ylabel=what)


def _lengths(axis: Any, by_length: Mapping[int, int]) -> None:
    first, last = min(by_length), max(by_length)
    powers = range(first.bit_length() - 1, last.bit_length())
    bars(axis, {f"{1 << power:,}": by_length.get(1 << power, 0) for power in powers})
    axis.set(xlabel="characters, up to twice as many", ylabel="reviews")


def _scripts(axis: Any, scripts: Mapping[str, int]) -> None:
    names = list(scripts)[:SCRIPTS]
    bars = axis.barh(names, [scripts[name] for name in names], color=COLOR)
    axis.bar_label(bars, [f" {percent(scripts[name], sum(scripts.values()))}" for name in names])
    axis.margins(x=0.15)
    axis.set_ylim(max(len(names), 4) - 0.5, -0.5)  # the first on top
    axis.set(xlabel="texts")
