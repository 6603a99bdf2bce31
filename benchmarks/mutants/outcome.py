"""What a reader made of a mutated file: the same table, a refusal that names the change, or something else."""

from __future__ import annotations

import re
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from benchmarks.mutants.file import MutatedFile
from benchmarks.mutants.plan import Mutant
from benchmarks.mutants.table import DAY, Review, moment
from rec_sys import columns
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.errors import RecSysError

TOLERANCE = 1e-3  # of ratings


@dataclass(frozen=True)
class Outcome:
    """How it ended."""

    kind: Literal["same table", "refused", "third"]
    why: str  # the refusal, or what is wrong


def outcome_of(mutant: Mutant, folder: Path) -> Outcome:
    """Read a mutant in an empty folder."""
    path = folder / "file"
    path.write_bytes(mutant.raw)
    try:
        found = prepare_reviews(path, folder / "out")
    except RecSysError as error:
        message = str(error).replace(str(folder), "")
        named = any(re.search(pattern, message, re.IGNORECASE) for pattern in mutant.file.refusals)
        return Outcome("refused" if named else "third", message)
    except Exception as error:
        return Outcome("third", f"{type(error).__name__}: {error}")
    else:
        wrong = differences(mutant.file, found)
        return Outcome("third" if wrong else "same table", wrong)
    finally:
        path.unlink()
        shutil.rmtree(folder / "out", ignore_errors=True)


def differences(file: MutatedFile, found: PreparedReviews) -> str:
    """What is not as it must be; "" where all is."""
    rows = pl.read_parquet(found.folder / columns.REVIEWS_FILE).to_dicts()
    left = defaultdict(list)
    for row in rows:
        left[row[columns.PRODUCT_ID]].append(row)
    wanted = [row for row in file.rows if not row.left_out and not row.repeats]
    missing: list[Review] = []
    for review in sorted(wanted, key=lambda row: row.any_text):  # what may be read in many ways comes last
        candidates = left[review.product]
        place = next((place for place, row in enumerate(candidates) if _same(review, row)), None)
        if place is not None:
            candidates.pop(place)
        elif not review.may_be_left_out:
            missing.append(review)
    others = [row for its in left.values() for row in its]
    if missing or others:
        return (
            f"{len(missing)} missing, such as {_shown(missing[0]) if missing else '-'}; {len(others)} others, such as "
            f"{others[0] if others else '-'}; of {len(wanted)}; {dict(found.rejected)}"
        )
    return _wrong_counts(file, found, len(rows)) or _wrong_people(file, rows) or _wrong_words(file, found)


def _wrong_counts(file: MutatedFile, found: PreparedReviews, kept: int) -> str:
    """Whether rows are missing that are not counted as left out."""
    if found.kept != kept:
        return f"{found.kept} are said to be kept, and {kept} are"
    lost = len(file.rows) - kept
    left_out = sum(found.rejected.values())
    if not lost <= left_out <= lost + 2 * (file.damage is not None):
        return f"{lost} rows are not there, and {left_out} are said to be left out: {found.rejected}"
    repeats = sum(row.repeats and not row.left_out for row in file.rows)
    unsure = sum(row.repeats and row.may_be_left_out for row in file.rows)
    if not repeats - unsure <= found.rejected.get("repeated review", 0) <= repeats:
        return f"{repeats} rows repeat others: {found.rejected}"
    return ""


def _wrong_people(file: MutatedFile, rows: list[dict[str, Any]]) -> str:
    """Whether reviews of names of many have a user each."""
    names = {row.user for row in file.rows if row.is_many}
    users = Counter(row[columns.USER_ID] for row in rows)
    shared = [user for user, count in users.items() if count > 1 and user.partition(" #")[0] in names]
    return f"{shared} are one user" if shared else ""


def _wrong_words(file: MutatedFile, found: PreparedReviews) -> str:
    said = " ".join(found.warnings)
    return f"no warning says {file.warning}: {said}" if file.warning and not re.search(file.warning, said) else ""


def _same(review: Review, row: dict[str, Any]) -> bool:
    user = row[columns.USER_ID]
    if review.is_many:
        user = user.partition(" #")[0]
    # A float of a table with gaps may keep its decimal as a text: an id of its own, and no other's.
    if user != review.user and user != f"{review.user}.0":
        return False
    rating = row[columns.RATING]
    if (rating is None) != (review.stars is None):
        return False
    if rating is not None and abs(rating - (review.stars or 0)) > TOLERANCE:
        return False
    return _same_time(review, row[columns.TIMESTAMP]) and _same_text(review, row[columns.TEXT])


def _same_time(review: Review, seconds: int) -> bool:
    if review.precision == "day":
        return seconds // DAY == review.seconds // DAY
    if review.precision == "month":
        there, here = moment(seconds), moment(review.seconds)
        return (there.year, there.month) == (here.year, here.month)
    return abs(seconds - review.seconds) <= (review.precision == "second")


def _same_text(review: Review, text: str) -> bool:
    return review.any_text or _plain(text) in {_plain(each) for each in (review.text, *review.texts)}


def _plain(text: str) -> str:
    """Without what no reader needs to keep: kinds of line ends, blanks at the ends of lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")
    return "\n".join(" ".join(line.split()) for line in lines)


def _shown(review: Review) -> str:
    return str({**review.written, "means": (review.user, review.product, review.stars, review.seconds, review.text)})
