"""Which reviews are learned from, which choose the model, and which test it.

Per user in time order: the last review is the test, the one before it validation, the rest training. A seeded part of
the users can be held out whole, each described by all but the last of their reviews. So can a part of the products:
their reviews leave training and all histories, and a recommendation of them is tested on these reviews.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.histories import Histories
from rec_sys.dataset.settings import SplitSettings
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError

Part = Literal["valid", "test", "held_out_users", "held_out_products"]
Flags = npt.NDArray[np.bool_]
NEEDED_REVIEWS = 3  # of a user who is trained on, validated and tested: one each
SUPPORT_REVIEWS = 3  # first reviews of a new product that may stand for the description it lacks


@dataclass(frozen=True)
class Split:
    """Review numbers of each part; a person with fewer than three reviews is only learned from."""

    train: Ints  # (num_train,) ascending
    valid: Ints  # (num_known,) one per evaluated known person
    test: Ints  # (num_known,) of the same users, in the same order
    held_out_users: Ints  # (num_new,) the last review of each new user
    # Of products kept out of training, each by somebody who has earlier reviews of other products; ascending.
    held_out_products: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    # The first three reviews in time of each product kept out; one without a text of its own is described by them.
    support: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    # What histories may hold, ascending, for `histories_before`: reviews of products not kept out. None: all reviews.
    in_histories: Ints | None = None

    def part(self, name: Part) -> Ints:
        """The review numbers of a part that is judged."""
        parts: dict[Part, Ints] = {
            "valid": self.valid,
            "test": self.test,
            "held_out_users": self.held_out_users,
            "held_out_products": self.held_out_products,
        }
        return parts[name]

    def summary(self) -> dict[str, int]:
        """How many reviews each part holds; new products only where some are kept out."""
        counts = {
            "train": len(self.train),
            "valid": len(self.valid),
            "test": len(self.test),
            "held-out users": len(self.held_out_users),
        }
        return (
            counts
            if self.in_histories is None
            else counts | {"reviews of held-out products": len(self.held_out_products)}
        )


def split_by_time(table: ReviewTable, settings: SplitSettings | None = None) -> Split:
    """Split a table.

    With held-out products, training is what it would be without them less their reviews, and the users of validation
    and test are those of them whose two last products are known and who have a training review left.

    Raises:
        DataError: nobody has the three reviews that training, validation and test need, none of the held-out users
            the two that their test needs, or no review of a held-out product can be tested on.
    """
    settings = settings or SplitSettings()
    indptr = table.indptr()
    counts = np.diff(indptr)
    is_held_out = _drawn(np.random.default_rng(settings.seed), settings.held_out_users, table.num_users)
    if settings.held_out_users:
        _check_held_out_users(settings.held_out_users, is_held_out, counts)
    generator = np.random.default_rng([settings.seed, 1])  # not the one of the users: who is held out stays the same
    is_held_out_product = _drawn(generator, settings.held_out_products, table.num_products)
    shown = ~is_held_out_product[table.product]  # reviews that training and histories may hold
    shown_before = _earlier(shown, indptr)  # how many of them by the same user before each review

    known = np.flatnonzero((counts >= NEEDED_REVIEWS) & ~is_held_out)
    if not len(known):
        lower = " or lower split.held_out_users" if settings.held_out_users else ""
        raise DataError(
            f"none of {table.num_users:,} users has the {NEEDED_REVIEWS} reviews that training, validation and test "
            f"need (most: {counts.max(initial=0)}); use data with longer histories{lower}"
        )
    test, valid = indptr[known + 1] - 1, indptr[known + 1] - 2
    kept = shown & ~is_held_out[table.user]
    kept[test] = kept[valid] = False
    evaluated = shown[test] & shown[valid] & (shown_before[valid] > 0)
    held_out_users = indptr[np.flatnonzero((counts >= 2) & is_held_out) + 1] - 1
    split = Split(
        train=np.flatnonzero(kept),
        valid=valid[evaluated],
        test=test[evaluated],
        held_out_users=held_out_users[shown[held_out_users] & (shown_before[held_out_users] > 0)],
    )
    if not settings.held_out_products:
        return split
    held_out_products = np.flatnonzero(~shown & (shown_before > 0))
    _check_held_out_products(settings.held_out_products, is_held_out_product, len(held_out_products), split)
    support = first_reviews(table, np.flatnonzero(~shown))
    return replace(split, held_out_products=held_out_products, support=support, in_histories=np.flatnonzero(shown))


def _drawn(generator: np.random.Generator, part: float, total: int) -> Flags:
    """A part of `total`, by chance."""
    drawn = np.zeros(total, dtype=bool)
    if part:
        drawn[generator.permutation(total)[: round(part * total)]] = True
    return drawn


def _earlier(shown: Flags, indptr: Ints) -> Ints:
    """(num_reviews,) how many of the reviews that are `shown` the same person wrote before each review."""
    before = np.concatenate([[0], np.cumsum(shown)])
    earlier: Ints = before[:-1] - np.repeat(before[indptr[:-1]], np.diff(indptr))
    return earlier


def first_reviews(table: ReviewTable, reviews: Ints) -> Ints:
    """The first three in time of each product among some reviews, ties in the order of the file."""
    order = reviews[np.lexsort((table.place[reviews], table.timestamp[reviews], table.product[reviews]))]
    product = table.product[order]
    place = np.arange(len(order)) - np.searchsorted(product, product)
    return np.sort(order[place < SUPPORT_REVIEWS])


def _check_held_out_users(part: float, is_held_out: Flags, counts: Ints) -> None:
    """Refuse a part of the users so small that nobody is held out."""
    given = f"split.held_out_users={part} of {len(counts):,} users"
    if not is_held_out.any():
        raise DataError(f"{given} is none; give at least {1 / max(len(counts), 1):.2g}, or 0 for none")
    if not (is_held_out & (counts >= 2)).any():
        raise DataError(
            f"{given} draws {is_held_out.sum():,}, and none of them has the 2 reviews that judging a new user needs; "
            f"give more, or 0 for none"
        )


def _check_held_out_products(part: float, is_held_out: Flags, evaluated: int, split: Split) -> None:
    """Refuse a part of the products so small that nothing new could be judged, or so large that nothing else could."""
    given = f"split.held_out_products={part} of {len(is_held_out):,} products"
    if not is_held_out.any():
        raise DataError(
            f"{given} is none; give at least {1 / max(len(is_held_out), 1):.2g}, or 0 for no held-out products"
        )
    if not evaluated:
        raise DataError(
            f"{given} draws {is_held_out.sum():,}, and nobody reviewed one of them after a product that is not held "
            f"out, so they cannot be evaluated; give another part, or 0 for none"
        )
    if not len(split.train) or not len(split.valid):
        raise DataError(
            f"{given} draws {is_held_out.sum():,} and leaves {len(split.train):,} training reviews and "
            f"{len(split.valid):,} users to validate and test on; give less"
        )


def histories_before(
    table: ReviewTable, targets: Ints, among: Ints | None = None, limit: int | None = None
) -> Histories:
    """What the author of each target review had written before it.

    Args:
        table: the reviews.
        targets: (num_targets,) review numbers.
        among: (n,) ascending review numbers that may be seen; all of the table if None. A target itself is never seen.
        limit: keep only the newest `limit` reviews of each history.

    Returns:
        num_targets histories.
    """
    among = np.arange(len(table)) if among is None else among
    stop = np.searchsorted(among, targets)
    start = np.searchsorted(among, table.indptr()[table.user[targets]])
    if limit is not None:
        start = np.maximum(start, stop - limit)
    indptr = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
    review = among[np.arange(indptr[-1]) + np.repeat(start - indptr[:-1], stop - start)]
    return Histories(indptr, review, table.product[review])


def histories_around(table: ReviewTable, targets: Ints, among: Ints, limit: int) -> Histories:
    """What the author of each target review wrote besides it, before and after: the nearest `limit` reviews.

    For learning only. What somebody buys together says as much backwards as forwards, so a product is learned from both
    of its neighbours; what comes out is asked with the reviews before, as always.

    Args:
        table: the reviews.
        targets: (num_targets,) review numbers out of `among`.
        among: (n,) ascending review numbers that may be seen. A target itself is never in its own history.
        limit: reviews of a history, counted in steps from the target, the earlier one first where both are as near.

    Returns:
        num_targets histories, the farthest review first, the nearest last.
    """
    step = np.arange(1, limit + 1)
    offset = np.stack([-step, step], axis=1).reshape(-1)  # -1, 1, -2, 2, ...
    place = np.searchsorted(among, targets)[:, None] + offset  # (num_targets, 2 * limit)
    inside = (place >= 0) & (place < len(among))
    review = among[place.clip(0, len(among) - 1)]
    inside &= table.user[review] == table.user[targets][:, None]
    inside &= np.cumsum(inside, axis=1) <= limit
    review, inside = review[:, ::-1], inside[:, ::-1]
    indptr = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64)
    return Histories(indptr, review[inside], table.product[review[inside]])
