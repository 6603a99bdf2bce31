"""Sections of the training report: sources beside the ranker, what became of recommendations, gain by feature group."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from rec_sys.recommenders.two_stage.evaluation import COLUMNS, CUTOFF, Answered, Column, became, interval
from rec_sys.recommenders.two_stage.features import GROUPS
from rec_sys.recommenders.two_stage.learning import Choice, Learned
from rec_sys.tables import Section

RANKER, CEILING = "ranker", "ceiling: candidates"
SHORT = {"anything": "any", "new only": "new"}

Facts = dict[str, Any]


def facts_of(learned: Learned, target: str, notes: list[str]) -> Facts:
    """Plain JSON that the sections are made of; kept with the model."""
    facts: Facts = {"target": target, "notes": list(notes), "is_test": learned.is_test, "passed": learned.passed}
    facts["choices"] = {
        column: {**vars(choice), "start": learned.names[choice.start] if learned.names else "popularity"}
        for column, choice in learned.choices.items()
    }
    facts["sources"], facts["difference"], facts["became"] = [], {}, []
    if learned.judged is not None:
        facts["sources"] = _of_sources(learned, learned.judged)
        facts["difference"] = {
            column: found for column in COLUMNS if (found := _difference(learned, learned.judged, column))
        }
        facts["became"] = _conversions(learned, learned.judged)
    facts["gain"] = _gains(learned)
    return facts


def sections_of(facts: Facts) -> list[Section]:
    """The sections of a report."""
    of = "the test questions" if facts["is_test"] else "the validation questions: too few windows for a test"
    figures = {
        f"two_stage/{SHORT[column]}/{row['source']}/ndcg_at_10".replace(" ", "_").replace(",", ""): row[
            f"N@10 {column}"
        ]
        for row in facts["sources"]
        for column in COLUMNS
        if row[f"N@10 {column}"] is not None
    }
    notes = [*facts["notes"], *(_choice_in_words(facts, column) for column in COLUMNS if column in facts["choices"])]
    if facts["passed"]:
        notes.append(f"{facts['passed']:,} questions were not drawn: of users who had more, or beyond max_questions")
    title = f"Two stages, next {facts['target']}, on {of}"
    found = [Section(title, facts["sources"], notes, figures)]
    if facts["became"]:
        note = f"of the first {CUTOFF} products recommended, the share that had such an event afterwards"
        found.append(Section("What became of what was recommended", facts["became"], [note]))
    if facts["gain"]:
        found.append(Section("Gain of the ranker by group of features", facts["gain"]))
    return found


def _choice_in_words(facts: Facts, column: Column) -> str:
    choice, found = facts["choices"][column], facts["difference"].get(column)
    start = choice["start"]
    train, valid, test = choice["questions"]
    asked = f"{column}: {train:,} training, {valid:,} validation and {test:,} test questions"
    if not choice["rounds"]:
        return f"{asked}; too few to train a ranker, so {start} answers"
    compared = f"ranker {choice['of_ranker']:.4f}, {start} and the blend behind it {choice['of_start']:.4f}"
    compared = f"NDCG@10 on validation: {compared}"
    used = "the ranker answers" if choice["ranked"] else f"the ranker is not better, so {start} answers"
    if found is None:
        return f"{asked}; {compared}: {used}"
    difference, low, high = found
    where = "test" if facts["is_test"] else "validation"
    said = f"ranker less {start} alone {difference:+.4f} [{low:+.4f}, {high:+.4f}]"
    return f"{asked}; {compared}: {used}. On {where}: {said}"


def _of_sources(learned: Learned, judged: Answered) -> list[dict[str, Any]]:
    rows = []
    for source, name in enumerate(learned.names):
        row: dict[str, Any] = {"source": name}
        for column in COLUMNS:
            is_blend = source == len(learned.names) - 1
            reach = judged.reach(column, None if is_blend else source)
            row |= _cells(judged, judged.given_by(source, column), column, reach)
        rows.append(row)
    row = {"source": RANKER}
    for column in COLUMNS:
        place = _places_by_ranker(learned, judged, column)
        row |= _cells(judged, place, column, judged.reach(column))
    ceiling: dict[str, Any] = {"source": CEILING}
    for column in COLUMNS:
        place = np.where(judged.label, 0, CUTOFF)  # whatever is found is put first
        row_of = _cells(judged, place, column, judged.reach(column))
        ceiling |= {**row_of, f"R@10 {column}": judged.reach(column), f"N@10 {column}": None}
    return [*rows, row, ceiling]


def _cells(judged: Answered, place: Any, column: Column, reach: float) -> dict[str, float | None]:
    if place is None or not judged.asked(column).any():
        return {f"R@10 {column}": None, f"N@10 {column}": None, f"reach {column}": None}
    recall, ndcg = judged.figures(place, column)
    return {
        f"R@10 {column}": float(recall.mean()),
        f"N@10 {column}": float(ndcg.mean()),
        f"reach {column}": reach,
    }


def _places_by_ranker(learned: Learned, judged: Answered, column: Column) -> Any:
    """(m,) by the ranker that learned from the training questions alone; None: there is none."""
    ranker = learned.tried.get(column)
    if ranker is None:
        return None
    start = judged.places_by(learned.choices[column].start, column)
    return judged.places_of(ranker.scores(judged.values, start), column)


def _difference(learned: Learned, judged: Answered, column: Column) -> list[float] | None:
    """NDCG@10 of the ranker less that of the source that was best on validation, alone, with its interval."""
    place = _places_by_ranker(learned, judged, column)
    if place is None or not judged.asked(column).any():
        return None
    choice: Choice = learned.choices[column]
    start = judged.figures(judged.given_by(choice.start, column), column)[1]
    differences = judged.figures(place, column)[1] - start
    return [float(differences.mean()), *interval(differences)]


def _conversions(learned: Learned, judged: Answered) -> list[dict[str, Any]]:
    """Shares of recommended products with each kind of event afterwards, by ranker and best source."""
    choice = learned.choices["anything"]
    orders = {learned.names[choice.start]: judged.places_by(choice.start, "anything")}
    if "anything" in learned.tried:
        orders[RANKER] = _places_by_ranker(learned, judged, "anything")
    user = np.concatenate([each.known.user for each in learned.rounds])
    since = np.concatenate([each.since for each in learned.rounds])
    bounds = np.cumsum([0, *(len(each.known) for each in learned.rounds)])
    rows = []
    for name, place in orders.items():
        first = place < CUTOFF
        row, product = judged.candidates.row[first], judged.candidates.product[first]
        shares: dict[str, float] = {}
        for each, start, stop in zip(learned.rounds, bounds[:-1], bounds[1:], strict=True):
            mine = (row >= start) & (row < stop)
            found = became(user, since, row[mine], product[mine], each.later)
            shares = {
                kind: shares.get(kind, 0.0) + value * mine.sum() / max(len(row), 1) for kind, value in found.items()
            }
        rows.append({"recommended by": name, "products": len(row), **shares, **_steps(shares)})
    return rows


def _steps(shares: dict[str, float]) -> dict[str, float | None]:
    """From each kind to the next stronger one."""
    names = list(shares)
    return {
        f"{after} per {before}": shares[after] / shares[before] if shares[before] else None
        for before, after in pairwise(names)
    }


def _gains(learned: Learned) -> list[dict[str, Any]]:
    if not learned.tried:
        return []
    groups = np.array(learned.features.groups)
    gains = {column: ranker.gain() for column, ranker in learned.tried.items()}
    rows: list[dict[str, Any]] = []
    for group in (group for group in GROUPS if (groups == group).any()):
        row: dict[str, Any] = {"group": group, "features": int((groups == group).sum())}
        for column in COLUMNS:
            row[column] = float(gains[column][groups == group].sum()) if column in gains else None
        rows.append(row)
    return rows
