"""Whether files of reviews in all their forms are read right, or refused with a message that names what is wrong.

    uv run -m benchmarks.reading_mutants [--mutants 5000] [--seed 0] [--only NUMBER] [--name reading_mutants]

A good table is written as a file of some kind, and changed in one to three ways: its encoding, line ends, columns,
dates, ratings, ids, the order of its rows, a broken line. What must come out follows from the change and not from the
reader. The outcome is the same table, with what is broken counted as left out, or a refusal whose message names the
change; anything else is a third outcome, which there must not be. `--only` makes one mutant again, and keeps its file.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from benchmarks.mutants_files import write
from benchmarks.mutants_kinds import mutant
from benchmarks.mutants_table import DAY, Draft, Truth
from benchmarks.report import report
from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import RecSysError

Row = tuple[str, str, float | None, int, str]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    kind: Literal["same table", "refused", "third outcome"]
    why: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one mutant")
    parser.add_argument("--name", default="reading_mutants", help="of the result file")
    args = parser.parse_args()
    if args.only is not None:
        sys.exit(_one(args.seed, args.only))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    failures: list[dict[str, Any]] = []
    started = time.perf_counter()
    for number in range(args.mutants):
        draft = mutant(args.seed, number)
        with tempfile.TemporaryDirectory() as folder:
            outcome = judged(draft, Path(folder))
        for mutation in ("all", f"container: {draft.container}", *draft.mutations):
            counts[mutation][outcome.kind] += 1
        if outcome.kind == "third outcome":
            failures.append({"number": number, "container": draft.container, "mutations": draft.mutations})
            failures[-1]["why"] = outcome.why[:400]
            print(f"--only {number}  {draft.container}; {'; '.join(draft.mutations)}\n    {outcome.why[:400]}")
    rows = [
        {"mutation": mutation, "mutants": its.total(), **{kind: its[kind] for kind in OUTCOMES}}
        for mutation, its in sorted(counts.items(), key=lambda item: (item[0] != "all", item[0]))
    ]
    report(
        args.name,
        rows,
        data=f"{args.mutants:,} mutants of generated tables of 220 to 320 reviews, 40 people and 24 products",
        seed=args.seed,
        seconds=round(time.perf_counter() - started, 1),
        failures=failures,
    )
    sys.exit(bool(failures))


OUTCOMES = ("same table", "refused", "third outcome")


def _one(seed: int, number: int) -> int:
    draft = mutant(seed, number)
    folder = Path(tempfile.mkdtemp(prefix=f"mutant-{number}-"))
    outcome = judged(draft, folder)
    print(f"{draft.container}, {draft.encoding}; {'; '.join(draft.mutations)}\n{outcome.kind}: {outcome.why}\n{folder}")
    return outcome.kind == "third outcome"


def judged(draft: Draft, folder: Path) -> Outcome:
    """Write a draft, read it, and compare."""
    path = folder / "reviews"
    write(draft, path)
    try:
        found = prepare_reviews(path, folder / "out")
    except RecSysError as error:
        message = str(error).replace(str(folder), "").replace("/reviews", "")
        named = any(re.search(pattern, message, re.IGNORECASE) for pattern in draft.refusals)
        return Outcome("refused" if named else "third outcome", message)
    except Exception:
        return Outcome("third outcome", traceback.format_exc()[-400:])
    return compared(draft, found)


def compared(draft: Draft, found: PreparedReviews) -> Outcome:
    """Whether what was read is what was written."""
    table = pl.read_parquet(found.folder / columns.REVIEWS_FILE)
    people = [re.sub(r" #\d+$", " #", user) for user in table[columns.USER_ID]]
    of_nobody = [user for user in table[columns.USER_ID] if re.search(r" #\d+$", user)]
    warned = "; ".join((*found.warnings, f"not read: {', '.join(found.unread)}"))
    told = [pattern for pattern in draft.unrated if re.search(pattern, warned)]
    if draft.times == "none":
        return Outcome("third outcome", f"dates that nobody can tell were read; order {found.order}")
    if draft.times == "order" and (found.order != "column" or "no dates" not in warned.replace("without", "no")):
        return Outcome("third outcome", f"counts were read as dates, order {found.order}")
    if found.kept + sum(found.rejected.values()) != len(draft.rows):
        return Outcome("third outcome", f"{len(draft.rows)} rows, kept {found.kept}, left out {found.rejected}")
    actual = Counter(
        _row(draft, told, user, product, rating, when, text)
        for user, product, rating, when, text in zip(
            people,
            table[columns.PRODUCT_ID],
            table[columns.RATING],
            table[columns.TIMESTAMP],
            table[columns.TEXT],
            strict=True,
        )
    )
    differences = [_difference(draft, told, truths, actual) for truths in _readings(draft)]
    if len(set(of_nobody)) < len(of_nobody):
        return Outcome("third outcome", "people of a name of many were made one")
    if all(differences):
        return Outcome("third outcome", f"{differences[0]}; warnings: {warned}")
    return Outcome("refused" if told else "same table", warned)


def _readings(draft: Draft) -> list[list[Truth]]:
    others = [replace(truth, user=truth.alternative or truth.user) for truth in draft.truth]
    return [draft.truth, others] if any(truth.alternative for truth in draft.truth) else [draft.truth]


def _difference(draft: Draft, told: list[str], truths: list[Truth], actual: Counter[Row]) -> str:
    """What is there and must not be, or the other way round."""
    must: Counter[Row] = Counter()
    may: Counter[Row] = Counter()
    for truth in truths:
        row = _row(draft, told, truth.user, truth.product, truth.rating, truth.time, truth.text)
        if truth.kept or truth.may_be_left_out:
            (may if truth.may_be_left_out else must)[row] += 1
    missing, beyond = must - actual, actual - must - may
    if not missing and not beyond:
        return ""
    return (
        f"{missing.total()} missing, {beyond.total()} beyond; missing {next(iter(missing), '')}, "
        f"beyond {next(iter(beyond), '')}"
    )


def _row(draft: Draft, told: list[str], user: str, product: str, rating: float | None, when: int, text: str) -> Row:
    """A row in the form in which rows are compared: quotes and null characters of broken lines do not count."""
    if draft.times == "day":
        when //= DAY
    words = [user, product, text.replace("\r\n", "\n").replace("\r", "\n")]
    if draft.broken:
        words = [word.replace('"', "").replace("\0", "") for word in words]
    return words[0], words[1], None if told or rating is None else round(rating, 3), when, words[2]


if __name__ == "__main__":
    main()
