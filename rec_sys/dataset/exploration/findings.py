"""The figures of an exploration as sentences: what a person should know before choosing a model."""

from __future__ import annotations

import math

from rec_sys.dataset.exploration.activity import WEEKDAYS, Activity, Change
from rec_sys.dataset.exploration.facts import Exploration
from rec_sys.dataset.exploration.funnel import Step
from rec_sys.dataset.exploration.spread import ColdStart, SpreadOf

UNEVEN = 1.5  # times the mean from which a weekday or an hour is named
ALL_BUY = 0.9  # share of the users from which the step says nothing of a shop
MANY_BACKWARDS = 0.1  # share of pairs in the wrong order from which the times are doubted
SHOWN = 3  # outliers that are named


def findings_of(facts: Exploration) -> list[str]:
    """Sentences, each with its figures, in the order of the page."""
    said = [_size(facts)]
    if facts.activity is None:
        said.append("The data has an order but no times, so nothing is said of hours, weekdays and changes.")
    else:
        said += _of_activity(facts.activity)
    said += [_of_change(change) for change in facts.changes]
    for step in facts.funnel:
        said += _of_step(step)
    for spread in (facts.users, facts.products):
        said += _of_spread(spread)
    said += [
        f"{top.shared} of the {len(top.products)} products first in {top.kind} are also among the first "
        f"{len(facts.tops[0].products)} in {facts.tops[0].kind}."
        for top in facts.tops[1:]
        if top.products
    ]
    if facts.cold_start is not None:
        said.append(_of_cold_start(facts.cold_start))
    if facts.few:
        said.append(f"{facts.few:.0%} of the users have fewer than the three events that training and testing need.")
    return [*said, *_of_missing(facts), *_of_ratings(facts)]


def _size(facts: Exploration) -> str:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in facts.events.items())
    total = sum(facts.events.values())
    density = total / max(facts.users.total * facts.products.total, 1)
    return (
        f"{facts.name} holds {total:,} events ({kinds}) of {facts.users.total:,} users with {facts.products.total:,} "
        f"products: {density:.3%} of all pairs, if none came twice."
    )


def _of_activity(activity: Activity) -> list[str]:
    days = (activity.last - activity.first).days + 1
    said = [f"The events run from {activity.first} to {activity.last}, {days:,} days."]
    if activity.closed and days >= 28:
        said.append(f"Nothing ever happens on {' and '.join(activity.closed)}: count open days, not calendar days.")
    weekdays = activity.weekdays.sum(axis=0)
    open_days = [place for place in range(7) if weekdays[place]]
    if days >= 28 and open_days:
        most, least = max(open_days, key=lambda d: weekdays[d]), min(open_days, key=lambda d: weekdays[d])
        if weekdays[most] > UNEVEN * weekdays[least]:
            said.append(
                f"{WEEKDAYS[most]} has {weekdays[most] / weekdays[least]:.1f} times the events of {WEEKDAYS[least]}."
            )
    if not activity.has_hours:
        return [*said, "All times are whole days, so hours say nothing and the order within a day is that of the file."]
    hours = activity.hours.sum(axis=0)
    first = int(hours.argmax())
    share = hours[first] / hours.sum()
    quiet = int((hours < hours.mean() / 10).sum())
    said.append(
        f"The busiest hour is {first:02d} to {(first + 1) % 24:02d} (UTC) with {share:.1%} of the events; {quiet} "
        f"hours of the day have less than a tenth of the mean."
    )
    return said


def _of_change(change: Change) -> str:
    if change.unit == "share":
        levels = f"{change.before:.1%} before, {change.after:.1%} after"
    elif change.unit == "events":
        levels = f"{change.before:,.0f} a week before, {change.after:,.0f} after"
    else:
        levels = f"{change.before:.2f} before, {change.after:.2f} after"
    return f"From the week of {change.when} on, another level of {change.what}: {levels}."


def _of_step(step: Step) -> list[str]:
    if not step.pairs:
        return [f"No user has an event of the kind {step.start}, so nothing is said of the way to {step.end}."]
    said = [
        f"From {step.start} to {step.end} come {step.users_on:,} of {step.users:,} users "
        f"({step.users_on / max(step.users, 1):.1%}), with {step.pairs_on:,} of their {step.pairs:,} products "
        f"({step.pairs_on / step.pairs:.1%})"
        + ("" if math.isnan(step.hours) else f", {_duration(step.hours)} later (median)")
        + "."
    ]
    if step.users_on > ALL_BUY * step.users:
        said.append(
            f"Nearly every user comes from {step.start} to {step.end}, so the file holds such users only: shares say "
            f"nothing of the visitors of a shop."
        )
    if step.without:
        said.append(f"{step.without:,} products come to {step.end} without {step.start} by the same user.")
    if step.pairs_on and step.backwards / step.pairs_on > MANY_BACKWARDS:
        once = ""
        if not step.repeated:
            once = f" No user has two events {step.start} of one product: the file may keep the last one only."
        said.append(
            f"In {step.backwards / step.pairs_on:.0%} of the pairs with both, {step.start} comes after {step.end}: a "
            f"model that asks what was there at the time would be given the answer.{once}"
        )
    return said


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.1f} days"


def _of_spread(spread: SpreadOf) -> list[str]:
    once = f"; {spread.with_one:,} have a single one ({spread.with_one / spread.total:.0%})" if spread.with_one else ""
    said = [
        f"A {spread.what} has {spread.median:,.0f} events (median), {spread.quantiles[0.9]:,.0f} at the ninth "
        f"decile and {spread.most:,} at most; the first hundredth of the {spread.what}s has {spread.top_share:.0%} of "
        f"the events (Gini {spread.gini:.2f}){once}."
    ]
    if spread.outliers:
        names = ", ".join(f"{name} ({count:,})" for name, count in spread.outliers[:SHOWN])
        more = f" and {len(spread.outliers) - SHOWN:,} more" if len(spread.outliers) > SHOWN else ""
        share = sum(count for _, count in spread.outliers) / max(int(spread.counts.sum()), 1)
        said.append(
            f"{len(spread.outliers):,} {spread.what}s stand far beyond the others and have {share:.1%} of the events: "
            f"{names}{more}."
        )
    return said


def _of_cold_start(cold: ColdStart) -> str:
    return (
        f"Of the newest {cold.events:,} events, {cold.of_new_users:.0%} are by users and {cold.of_new_products:.0%} of "
        f"products that were not there before; {cold.of_new_pairs:.0%} are a user's first with that product."
    )


def _of_missing(facts: Exploration) -> list[str]:
    lacking = [
        f"{name} ({'all' if count == of else f'{count:,} of {of:,}'})"
        for name, (count, of) in facts.missing.items()
        if count
    ]
    return [f"Missing: {', '.join(lacking)}."] if lacking else ["Nothing is missing."]


def _of_ratings(facts: Exploration) -> list[str]:
    if not facts.ratings:
        return []
    total = sum(facts.ratings.values())
    mean = sum(value * count for value, count in facts.ratings.items()) / total
    best = max(facts.ratings)
    return [f"The mean rating is {mean:.2f}; {facts.ratings[best] / total:.0%} of {total:,} ratings are {best:g}."]
