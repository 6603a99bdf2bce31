"""The pictures of an exploration, as SVG inside the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rec_sys.arrays import Ints
from rec_sys.dataset.data_plots import Plot, bars, svg_image
from rec_sys.dataset.exploration.activity import WEEKDAYS, Activity
from rec_sys.dataset.exploration.facts import Exploration
from rec_sys.dataset.exploration.spread import SpreadOf

COLORS = ("#3b6ea5", "#d98c2b", "#5b9443", "#a54a6e", "#7a6ab0")  # of the kinds, the weakest first
HOURS = [str(hour) for hour in range(24)]
TICKS = 6  # labels of an axis of months


def charts_of(facts: Exploration) -> list[Plot] | None:
    """A picture of each kind that the data allows; None where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401  # not at the head: who only serves has none
    except ModuleNotFoundError:
        return None
    drawn: list[tuple[str, Callable[[Any], None]]] = []
    if (activity := facts.activity) is not None:
        if activity.has_hours:
            drawn.append(("Hours of the day (UTC)", lambda axis: _stacked(axis, activity.hours, HOURS, activity.kinds)))
        drawn += [
            ("Weekdays", lambda axis: _stacked(axis, activity.weekdays, WEEKDAYS, activity.kinds)),
            ("Months", lambda axis: _months(axis, activity, facts)),
        ]
    if facts.funnel:
        drawn.append(("From kind to kind: users, and pairs of user and product", lambda axis: _funnel(axis, facts)))
    drawn += [
        ("Events per user", lambda axis: _falling(axis, facts.users)),
        ("Events per product", lambda axis: _falling(axis, facts.products)),
    ]
    if facts.ratings:
        drawn.append(("Ratings, 1 to 5", lambda axis: bars(axis, {f"{v:g}": n for v, n in facts.ratings.items()})))
    if lengths := facts.text_lengths:
        drawn.append(
            ("Length of the texts, in characters", lambda axis: bars(axis, {f"{k:,}": n for k, n in lengths.items()}))
        )
    return [Plot(title, svg_image(draw)) for title, draw in drawn]


def _stacked(axis: Any, counts: Ints, names: Sequence[str], kinds: Sequence[str]) -> None:
    """A bar for each column, the kinds one above the other."""
    below = np.zeros(counts.shape[1])
    for place, kind in enumerate(kinds):
        axis.bar(range(len(names)), counts[place], 0.85, bottom=below, color=COLORS[place % len(COLORS)], label=kind)
        below += counts[place]
    step = 3 if len(names) > 12 else 1
    axis.set_xticks(range(0, len(names), step), list(names)[::step])
    axis.set(ylabel="events")
    _legend(axis, kinds)


def _months(axis: Any, activity: Activity, facts: Exploration) -> None:
    """Events of each month, a line where something changed."""
    names = list(activity.months)
    counts = np.array(list(activity.months.values())).T
    _stacked(axis, counts, names, activity.kinds)
    step = -(-len(names) // TICKS)
    axis.set_xticks(range(0, len(names), step), names[::step])
    axis.tick_params(axis="x", labelsize=8)
    for change in facts.changes:
        month = f"{change.when:%Y-%m}"
        if month in names:
            axis.axvline(
                names.index(month) + (change.when.day - 1) / 31 - 0.5, color="#1d2430", linestyle=":", linewidth=1
            )


def _funnel(axis: Any, facts: Exploration) -> None:
    """How many users, and how many pairs, have each kind of event."""
    names = [facts.funnel[0].start, *(step.end for step in facts.funnel)]
    users = [facts.funnel[0].users, *(step.users_on for step in facts.funnel)]
    pairs = [facts.funnel[0].pairs, *(step.pairs_on for step in facts.funnel)]
    place = np.arange(len(names))
    for shift, values, label, color in ((-0.2, users, "users", COLORS[0]), (0.2, pairs, "pairs", COLORS[1])):
        drawn = axis.bar(place + shift, values, 0.38, color=color, label=label)
        axis.bar_label(drawn, [f"{value:,}" for value in values], fontsize=7)
    axis.set(yscale="log", ylim=(1, 4 * max(*users, *pairs, 1)))
    axis.set_yticks([])  # the bars bear their figures
    axis.minorticks_off()
    axis.set_xticks(place, [names[0], *(f"… then {name}" for name in names[1:])])
    axis.legend(frameon=False, fontsize=8)


def _falling(axis: Any, spread: SpreadOf) -> None:
    """Events of each user or product, the most first; both axes logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axis.plot(np.arange(1, len(spread.counts) + 1), spread.counts, color=COLORS[0])
    if spread.outliers:
        count = len(spread.outliers)
        axis.plot(np.arange(1, count + 1), spread.counts[:count], ".", color=COLORS[3], label="far beyond the others")
        axis.legend(frameon=False, fontsize=8)
    axis.set(xscale="log", yscale="log", xlabel=f"{spread.what}s, the most first", ylabel="events")
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(LogLocator())
        each.set_major_formatter(plain)
    axis.minorticks_off()
    axis.grid(alpha=0.3)


def _legend(axis: Any, kinds: Sequence[str]) -> None:
    if len(kinds) > 1:
        axis.legend(frameon=False, fontsize=8)
