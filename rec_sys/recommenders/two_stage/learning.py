"""From events to rankers: questions with candidates and features, where the ranker starts, how many trees, if any.

For each of the columns "anything" and "new only": the best single source (or the blend) on validation is where the
ranker starts, validation stops its training, and where it is no better than its start there, the start is used.
What is used in the end has learned from all questions, with as many trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.dataset import Dataset
from rec_sys.dataset.events import EventTable
from rec_sys.progress import ProgressCallback, Stage
from rec_sys.recommenders.two_stage.candidates import Candidates, Flags, make_candidates
from rec_sys.recommenders.two_stage.evaluation import COLUMNS, Answered, Column, joined
from rec_sys.recommenders.two_stage.features import FeatureMaker, Features
from rec_sys.recommenders.two_stage.known_events import KnownEvents
from rec_sys.recommenders.two_stage.properties import PropertyHistory
from rec_sys.recommenders.two_stage.questions import TEST, TRAIN, VALID, Round, rounds_of
from rec_sys.recommenders.two_stage.ranker import Examples, Ranker
from rec_sys.recommenders.two_stage.settings import TwoStageSettings
from rec_sys.recommenders.two_stage.sources import BLEND, Sources

AT_ONCE = 256  # questions
FEWEST = 20  # questions with an answer among their candidates that a ranker is trained and validated on


@dataclass(frozen=True)
class Choice:
    """How a column is answered."""

    start: int  # source whose order the ranker starts from; the number of sources: the blend
    ranked: bool  # whether the ranker is used; else the start
    rounds: int = 0  # trees
    of_start: float = float("nan")  # NDCG@10 on validation
    of_ranker: float = float("nan")
    questions: tuple[int, int, int] = (
        0,
        0,
        0,
    )  # with an answer among their candidates: TRAIN; of the column: VALID, TEST


@dataclass
class Learned:
    """What fitting finds out, and what a report is made of."""

    names: list[str]  # of the sources and the blend
    features: Features  # of no candidate: names and groups
    choices: dict[Column, Choice]
    rankers: dict[Column, Ranker]  # used; on all questions
    tried: dict[Column, Ranker] = field(default_factory=dict)  # on the training questions
    judged: Answered | None = None  # test questions, of validation where there are none; None: neither
    rounds: list[Round] = field(default_factory=list)  # of these
    is_test: bool = True
    passed: int = 0  # questions that were not drawn


@dataclass(frozen=True)
class Kept:
    """Candidates that may be learned from, of one round."""

    values: Floats
    label: Flags
    row: Ints
    is_new: Flags
    place: Ints  # (m, num_sources + 1, 2) by each source and the blend, in each column
    part: Ints  # (m,) of the question


def learn(
    events: EventTable,
    target: int,
    settings: TwoStageSettings,
    properties: PropertyHistory | None = None,
    texts: Dataset | None = None,
    progress: ProgressCallback | None = None,
) -> Learned:
    """Train the rankers.

    Args:
        events: of the training.
        target: place of the target in the kinds of events.
        settings: of the two-stage model.
        properties: of the products in time; None: there are none.
        texts: the data set, for sources that read texts of products.
        progress: told after each round of questions.
    """
    kept: list[Kept] = []
    parts: dict[int, list[tuple[Round, Answered]]] = {VALID: [], TEST: []}
    names: list[str] = []
    features, passed = Features(np.zeros((0, 0), dtype=np.float32), (), ()), 0
    stage = Stage("learn from windows", None, "windows", progress)
    for number, each in enumerate(rounds_of(events, target, settings)):
        sources = Sources.fit(each.past, target, settings, texts)
        names, passed = [*sources.names, BLEND], passed + each.passed
        maker = FeatureMaker(each.past, target, sources, properties)
        answered, found = answered_questions(each, maker, settings)
        features = replace(found, values=found.values[:0])
        kept.append(_kept(answered, each.part, settings, number))
        for part in (VALID, TEST):
            if (each.part == part).any():
                parts[part].append((each, _of_questions(answered, each.part == part)))
        stage.advance()
    learned = Learned(names, features, {}, {}, passed=passed)
    if not kept:
        return learned
    valid = joined([answered for _, answered in parts[VALID]]) if parts[VALID] else None
    judged = parts[TEST] or parts[VALID]
    learned.is_test = bool(parts[TEST])
    learned.judged = joined([answered for _, answered in judged]) if judged else None
    learned.rounds = [_round_of(each, each.part == (TEST if learned.is_test else VALID)) for each, _ in judged]
    for column in COLUMNS:
        _choose(learned, column, kept, valid, settings)
    return learned


def _choose(
    learned: Learned, column: Column, kept: list[Kept], valid: Answered | None, settings: TwoStageSettings
) -> None:
    """Where the ranker starts, whether it is used, and the ranker of a column."""
    blend = len(learned.names) - 1
    if valid is None or not valid.asked(column).any():
        learned.choices[column] = Choice(blend, ranked=False)
        return
    values = [valid.figures(valid.given_by(source, column), column)[1].mean() for source in range(blend + 1)]
    start = int(np.argmax(values))
    of_start = float(valid.figures(valid.places_by(start, column), column)[1].mean())  # the blend behind it
    training = Examples.joined([_examples(each, column, start, each.part == TRAIN) for each in kept])
    checked = _to_check(valid, column, start)
    judged = learned.judged.asked(column).sum() if learned.judged is not None and learned.is_test else 0
    questions = (len(training.sizes), int(valid.asked(column).sum()), int(judged))
    if len(training.sizes) < FEWEST or len(checked.sizes) < FEWEST:
        learned.choices[column] = Choice(start, ranked=False, of_start=of_start, questions=questions)
        return
    ranker = Ranker.train(training, settings, checked)
    scores = ranker.scores(valid.values, valid.places_by(start, column))
    of_ranker = float(valid.figures(valid.places_of(scores, column), column)[1].mean())
    learned.tried[column] = ranker
    learned.choices[column] = Choice(start, of_ranker > of_start, ranker.rounds, of_start, of_ranker, questions)
    if of_ranker > of_start:
        whole = Examples.joined([_examples(each, column, start, np.ones(len(each.part), dtype=bool)) for each in kept])
        learned.rankers[column] = Ranker.train(whole, settings, rounds=ranker.rounds)


def answered_questions(each: Round, maker: FeatureMaker, settings: TwoStageSettings) -> tuple[Answered, Features]:
    """Candidates, features and labels of the questions of a round."""
    num_products, parts = each.known.num_products, []
    made = Features(np.zeros((0, 0), dtype=np.float32), (), ())
    wanted = each.row * num_products + each.product
    for start, known in in_parts(each.known):
        candidates = make_candidates(known, maker.sources, settings)
        made = maker.make(known, candidates)
        label = np.isin((candidates.row + start) * num_products + candidates.product, wanted)
        mine = (each.row >= start) & (each.row < start + len(known))
        row = each.row[mine] - start
        is_new = known.pairs.find(row, each.product[mine]) < 0
        answers = np.bincount(row, minlength=len(known))
        parts.append(Answered(candidates, made.values, label, answers, np.bincount(row[is_new], minlength=len(known))))
    return (joined(parts), made) if parts else (_nothing(), made)


def in_parts(known: KnownEvents) -> Iterator[tuple[int, KnownEvents]]:
    """The askers, `AT_ONCE` at a time, with the number of the first."""
    for start in range(0, len(known), AT_ONCE):
        yield start, known.part(start, start + AT_ONCE)


def _of_questions(answered: Answered, which: Flags) -> Answered:
    """Some of the questions, numbered anew."""
    keep = which[answered.candidates.row]
    candidates = answered.candidates.some(keep)
    number = np.cumsum(which) - 1
    return Answered(
        replace(candidates, row=number[candidates.row]),
        answered.values[keep],
        answered.label[keep],
        answered.answers[which],
        answered.new_answers[which],
    )


def _round_of(each: Round, which: Flags) -> Round:
    """A round with some of its questions: who asked, and what happened."""
    known = each.known
    nothing = np.zeros(0, dtype=np.int64)
    asked = replace(
        known, now=known.now[which], user=known.user[which], indptr=np.zeros(which.sum() + 1, dtype=np.int64)
    )
    return replace(each, known=asked, since=each.since[which], row=nothing, product=nothing, part=each.part[which])


def _kept(answered: Answered, part: Ints, settings: TwoStageSettings, seed: int) -> Kept:
    """What may be learned from: answers, what each source puts first in each column, and some candidates by chance."""
    sources, candidates = answered.candidates.score.shape[1] + 1, answered.candidates
    place = np.empty((len(candidates), sources, len(COLUMNS)), dtype=np.int64)
    for source in range(sources):
        for number, column in enumerate(COLUMNS):
            place[:, source, number] = answered.places_by(source, column)
    chance = np.random.default_rng([settings.seed, seed]).random(len(candidates))
    keep = answered.label | (place < max(1, settings.negatives // (2 * sources))).any(axis=(1, 2))
    size = np.bincount(candidates.row, minlength=len(answered.answers))[candidates.row]
    keep |= chance < settings.negatives / 2 / np.maximum(size, 1)
    row = candidates.row[keep]
    return Kept(answered.values[keep], answered.label[keep], row, candidates.is_new[keep], place[keep], part[row])


def _examples(kept: Kept, column: Column, start: int, which: Flags) -> Examples:
    """What a column's ranker learns from: questions with an answer among their candidates."""
    if column == "new only":
        which = which & kept.is_new
    return _with_answers(kept.values, kept.label, kept.row, kept.place[:, start, COLUMNS.index(column)], which)


def _to_check(valid: Answered, column: Column, start: int) -> Examples:
    """All candidates of the validation questions with an answer among them."""
    among = valid.among(column)
    which = np.ones(len(valid.label), dtype=bool) if among is None else among
    return _with_answers(valid.values, valid.label, valid.candidates.row, valid.places_by(start, column), which)


def _with_answers(values: Floats, label: Flags, row: Ints, place: Ints, which: Flags) -> Examples:
    has_answer = np.bincount(row[label & which], minlength=int(row.max(initial=0)) + 1) > 0
    which = which & has_answer[row]
    return Examples(values[which], label[which].astype(np.int64), row[which], place[which])


def _nothing() -> Answered:
    """No question."""
    none, floats = np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.float32)
    return Answered(
        Candidates(
            none, none, none, floats, floats, floats[:, 0] if floats.shape[1] else np.zeros(0, dtype=np.float32)
        ),
        floats,
        none.astype(bool),
        none,
        none,
    )
