"""Where every line of a raw file went, and whether so much was left out that the reading must not go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rec_sys.dataset.readers.date_columns import DAY
from rec_sys.dataset.readers.dates import ACCEPTED
from rec_sys.dataset.readers.profile import Profile
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.readers.rejects import ON_PURPOSE, Reason, Rejects
from rec_sys.errors import DataError

MAX_LEFT_OUT = 0.1  # share of the rows for one reason
ONE_SIDED = 0.01  # share of the rows for one reason where all are of one kind
FEW = 10  # rows of one kind below which it may be chance
MANY_REPEATED = 0.25  # share of the rows that repeat others from which it is said
A_DAY_OF = 20  # reviews within one day from which it is suspicious


@dataclass
class LineAccount:
    """Physical lines of a text file; `total` is counted on its bytes, the others while it is read."""

    total: int
    header: int = 0
    blank: int = 0
    kept: int = 0
    left_out: int = 0

    def check(self, path: Path) -> None:
        """Refuse a reading that lost a line.

        Raises:
            DataError: the parts are not the whole.
        """
        parts = self.header + self.blank + self.kept + self.left_out
        if parts != self.total:
            raise DataError(
                f"{path} has {self.total:,} lines, but {parts:,} were accounted for (header {self.header:,}, blank "
                f"{self.blank:,}, kept {self.kept:,}, left out {self.left_out:,}); this is a fault of the program: "
                f"please report it, with the file if it may be shown"
            )


def check_left_out(
    path: Path, read: int, rejects: Rejects, profile: Profile | None, settings: ReadingSettings, kept_as: Path
) -> list[str]:
    """Refuse a reading that leaves out so much, or one kind of value whole, that the rest would mislead.

    Args:
        path: the file.
        read: its rows.
        rejects: what was left out.
        profile: of the file; None for lists.
        settings: `max_left_out` is the bound.
        kept_as: where the rejects can be looked at.

    Returns:
        What to say about smaller parts.

    Raises:
        DataError: with the finding, and the setting that mends it.
    """
    said = []
    for reason, count in rejects.counts.most_common():
        if reason == Reason.REPEATED:
            if count > MANY_REPEATED * read:
                said.append(
                    f"{count:,} of {read:,} rows repeat the person, product and time or text of another; are people or "
                    f"products merged by their ids?"
                )
            continue
        if reason in ON_PURPOSE:
            continue
        finding = _finding(reason, count, read, rejects, profile)
        bound = MAX_LEFT_OUT if settings.max_left_out is None else settings.max_left_out
        kind = rejects.one_kind(reason)
        one_sided = settings.max_left_out is None and kind and count >= FEW and count >= ONE_SIDED * read
        if count > bound * read or one_sided:
            share = math.ceil(1000 * count / read) / 1000
            raise DataError(
                f"{path}: {finding}{f' (all of them {kind})' if kind and one_sided else ''}; to leave them out all the "
                f"same give data.max_left_out={share:g}; they are listed in {kept_as}"
            )
        said.append(finding)
    return said


def check_again(path: Path, read: int, rejected: Mapping[str, int], settings: ReadingSettings, kept_as: Path) -> None:
    """Refuse a file that was read before with a wider bound.

    Raises:
        DataError: more was left out for one reason than is allowed now.
    """
    bound = MAX_LEFT_OUT if settings.max_left_out is None else settings.max_left_out
    for reason, count in rejected.items():
        if reason not in {str(each) for each in ON_PURPOSE} and count > bound * read:
            share = math.ceil(1000 * count / read) / 1000
            raise DataError(
                f"{path}: {count:,} of {read:,} rows ({count / read:.1%}) are left out: {reason}; to leave them out "
                f"all the same give data.max_left_out={share:g}; they are listed in {kept_as}"
            )


def check_days(path: Path, first: int, last: int, kept: int, profile: Profile, settings: ReadingSettings) -> None:
    """Refuse reviews that are all of one day: most likely the column holds something else.

    Raises:
        DataError: they are.
    """
    if not (profile.format.timestamp and settings.check_dates) or kept < A_DAY_OF or last - first >= DAY:
        return
    names = " and ".join(map(repr, profile.taken["timestamp"]))
    raise DataError(
        f"{path}: all {kept:,} reviews are of one day, {_day(first)}, by the column {names}; name the right one with "
        f"data.columns.timestamp=..., take its values as an order with data.columns.order=..., or give "
        f"data.check_dates=false if they are right"
    )


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _finding(reason: Reason, count: int, read: int, rejects: Rejects, profile: Profile | None) -> str:
    """What was found, with examples, and what mends it."""
    examples = ", ".join(f"line {line:,}" + f": {value}" * bool(value) for line, value in rejects.examples[reason])
    start = f"{count:,} of {read:,} rows ({count / max(read, 1):.1%}) are left out: {reason} ({examples})"
    return f"{start}; {remedy(reason, profile)}"


def remedy(reason: Reason, profile: Profile | None) -> str:
    """What mends rows that are left out for a reason."""
    scale = profile.reading.ratings.scale if profile else (1, 5)
    return {
        Reason.BROKEN: "check how the fields are set apart and quoted, and whether the file is whole",
        Reason.NO_USER: "name the column of the person with data.columns.user=... if it is another",
        Reason.NO_PRODUCT: "name the column of the product with data.columns.product=... if it is another",
        Reason.LOST_LETTERS: "give the encoding of the file with data.encoding=..., or export it as UTF-8",
        Reason.LOST_DIGITS: "a spreadsheet or a column of floats has kept the first digits only; export the ids as "
        "text from where they come",
        Reason.RATING_NOT_A_NUMBER: "data.columns.rating=none reads no ratings",
        Reason.RATING_OUT_OF_RANGE: f"ratings are read as {scale[0]:g} to {scale[1]:g}; data.rating_scale=LOW..HIGH "
        f"names another scale, data.columns.rating=none reads none",
        Reason.NO_DATE: "data.columns.timestamp=... names another column; with data=interactions and "
        "data.columns.timestamp=none the order of the file counts",
        Reason.BAD_DATE: f"dates are read as {ACCEPTED}; data.columns.timestamp=... names another column, "
        f"data.date_order=dmy or mdy says what comes first",
        Reason.IMPLAUSIBLE_DATE: "nobody reviewed in the web before 1995 or after today; data.columns.timestamp=... "
        "names another column, data.columns.order=... takes its numbers as an order, data.check_dates=false "
        "takes them as they are",
        Reason.BAD_ORDER: "data.columns.order=... names another column",
        Reason.UNKNOWN_KIND: "name each kind with its weight, 0 to leave it out: data.event_weights={wishlist: 2, "
        "remove: 0}; known ones are view, addtocart, transaction and their usual names",
        Reason.BAD_QUANTITY: "data.columns.quantity=... names another column, data.columns.quantity=none counts every "
        "row as one piece",
        Reason.REPEATED_EVENT: "the same user, product, kind, basket and moment is one event",
        Reason.KIND_LEFT_OUT: "a weight above 0 in data.event_weights takes the kind",
        Reason.NOBODY: "data.max_share=1 takes all names as they are",
        Reason.NOT_A_PRODUCT: "data.not_products=[CODE,NAME*] names what is none; [] takes all lines as products",
        Reason.NO_PRICE: "data.columns.price=none reads no prices",
        Reason.NO_ID: "data.user_ids and data.product_ids are files of lines ID<TAB>NUMBER",
    }.get(reason, "check the file")
