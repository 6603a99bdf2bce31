"""Generated events of a shop, in the layout of RetailRocket's files: views, carts, purchases, and items as they were.

Nobody did these things. A visitor has one to three interests and comes back some days later; within a visit items
follow each other in the order of their shelf, what is looked at may be carted, what is carted may be bought then or on
the next visit, and whoever bought something looks at the next item of the shelf later. Some items come late, some are
sold out at times, and `item_properties.csv` says when. So there is something to find in the kinds, in the order and in
the properties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Floats, Ints
from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file

VERSION = 1  # raise it with every change of what is generated
START = 1_430_438_400  # 2015-05-01, seconds
DAYS = 140
DAY = 86_400
SHELVES = 12  # categories, in groups of three
VIEWS = 3.2  # of a visit on average
TO_CART = 0.28  # of what is looked at
TO_PURCHASE = 0.55  # of what is carted, in the same visit
LATER = 0.25  # of the rest, in the next visit
SOLD_OUT = 0.12  # share of the items that are sold out for a while
LATE = 0.1  # share of the items that come after the start

Times = npt.NDArray[np.float64]
Event = tuple[int, int, str, int, int | None]  # seconds, visitor, kind, item, transaction


@dataclass(frozen=True)
class EventFiles:
    """Where a sample lies."""

    events: Path
    category_tree: Path
    item_properties: Path

    @classmethod
    def of(cls, folder: Path) -> EventFiles:
        """The files of the sample in `folder`, there or not."""
        return cls(folder / "events.csv", folder / "category_tree.csv", folder / "item_properties.csv")


@dataclass(frozen=True)
class _Shop:
    shelf: Ints  # (items,) 0 to SHELVES - 1
    following: Ints  # (items,) the next item of the shelf
    popularity: Floats  # (items,)
    first: Times  # (items,) seconds from which an item is there
    out: Times  # (items, 2) seconds between which it is sold out; equal: never

    def can_be_had(self, when: float) -> npt.NDArray[np.bool_]:
        """(items,) whether each is there and not sold out."""
        flags: npt.NDArray[np.bool_] = (self.first <= when) & ~((self.out[:, 0] <= when) & (when < self.out[:, 1]))
        return flags


@dataclass
class _Visitor:
    number: int
    shelves: Ints  # of interest, the first most of all
    eagerness: float  # 1 for a usual one
    wanted: list[int] = field(default_factory=list)  # items to look at on the next visit
    carted: list[int] = field(default_factory=list)  # left from the visit before


def write_events(folder: Path, seed: int = 0, users: int = 800, items: int = 300, visits: int = 9_000) -> EventFiles:
    """Write the three files into `folder`; the same numbers give the same bytes.

    Args:
        folder: made if missing.
        seed: of all that is random.
        users: visitors; every one comes at least three times.
        items: of the shop.
        visits: each of about four events.

    Raises:
        ConfigError: there are fewer than three visits for each visitor.
    """
    if visits < 3 * users or items < 2 * SHELVES:
        raise ConfigError(
            f"a sample of events with {users:,} visitors, {items:,} items and {visits:,} visits cannot be made; "
            f"expected 3 visits a visitor and {2 * SHELVES} items: change data.sample_reviews or its neighbours"
        )
    random = np.random.default_rng(seed)
    shop = _shop(random, items)
    counts = 3 + random.multinomial(visits - 3 * users, _shares(random, users))
    events: list[Event] = []
    for number, count in enumerate(counts.tolist()):
        shelves = random.choice(SHELVES, size=int(random.integers(1, 4)), replace=False)
        visitor = _Visitor(number, shelves, float(random.lognormal(0, 0.4)))
        when = np.sort(random.uniform(0, DAYS * DAY, count)).astype(np.int64) + START
        for start in when.tolist():
            events += _visit(random, shop, visitor, start)
    events.sort(key=lambda event: (event[0], event[1]))
    numbers: dict[int, int] = {}
    files = EventFiles.of(folder)
    lines = (
        f"{second * 1000},{user},{kind},{item},{'' if basket is None else numbers.setdefault(basket, len(numbers))}"
        for second, user, kind, item, basket in events
    )
    _write(files.events, "timestamp,visitorid,event,itemid,transactionid", lines)
    _write(files.category_tree, "categoryid,parentid", _tree())
    _write(files.item_properties, "timestamp,itemid,property,value", _properties(random, shop))
    return files


def _shares(random: np.random.Generator, users: int) -> Floats:
    """(users,) how much of the visits each makes."""
    eager = random.lognormal(0, 0.8, users)
    shares: Floats = eager / eager.sum()
    return shares


def _shop(random: np.random.Generator, items: int) -> _Shop:
    number = np.arange(items)
    shelf = number % SHELVES
    following = np.where(number + SHELVES < items, number + SHELVES, shelf)  # round and round the shelf
    popularity = (random.permutation(items) + 3.0) ** -0.7
    first = np.where(random.random(items) < LATE, random.uniform(0.2, 0.8, items) * DAYS * DAY, -30 * DAY) + START
    begin = random.uniform(0.1, 0.9, items) * DAYS * DAY + START
    length = np.where(random.random(items) < SOLD_OUT, random.uniform(5, 30, items) * DAY, 0.0)
    out = np.stack([begin, begin + length], axis=1)
    return _Shop(shelf, following, popularity.astype(np.float32), first, out)


def _visit(random: np.random.Generator, shop: _Shop, visitor: _Visitor, start: int) -> Iterator[Event]:
    """The events of one visit."""
    second, there = start, shop.can_be_had(start)
    carted: list[int] = []
    carted += [item for item in visitor.carted if there[item] and random.random() < LATER]
    shelf = int(visitor.shelves[min(int(random.exponential(0.7)), len(visitor.shelves) - 1)])
    looking = [item for item in visitor.wanted if there[item]][:2]
    item = looking.pop(0) if looking else _drawn(random, shop, shelf, there)
    for _ in range(1 + int(random.poisson(VIEWS - 1))):
        if item < 0:
            break
        yield second, visitor.number, "view", item, None
        second += 20 + int(random.exponential(60))
        if item not in carted and random.random() < min(TO_CART * visitor.eagerness, 0.9):
            carted.append(item)
            yield second, visitor.number, "addtocart", item, None
            second += 10 + int(random.exponential(20))
        follow = int(shop.following[item])
        if looking:
            item = looking.pop(0)
        elif there[follow] and random.random() < 0.5:
            item = follow
        else:
            item = _drawn(random, shop, int(random.integers(SHELVES)) if random.random() < 0.1 else shelf, there)
    bought = [item for item in carted if item in visitor.carted or random.random() < TO_PURCHASE]
    for item in bought:
        yield second + 60, visitor.number, "transaction", item, start * 1_000 + visitor.number
    visitor.carted = [item for item in carted if item not in bought]
    visitor.wanted = [int(shop.following[item]) for item in bought if random.random() < 0.6] + visitor.carted


def _drawn(random: np.random.Generator, shop: _Shop, shelf: int, there: npt.NDArray[np.bool_]) -> int:
    """An item of a shelf by its popularity; -1 where none can be had."""
    total = np.cumsum(shop.popularity * (there & (shop.shelf == shelf)))
    return int(np.searchsorted(total, random.random() * total[-1], side="right")) if total[-1] > 0 else -1


def _tree() -> Iterator[str]:
    """Groups of three shelves below one root."""
    yield "1000,"
    yield from (f"{1001 + group},1000" for group in range(-(-SHELVES // 3)))
    yield from (f"{shelf},{1001 + shelf // 3}" for shelf in range(SHELVES))


def _properties(random: np.random.Generator, shop: _Shop) -> list[str]:
    """Category, availability and price of each item whenever they change."""
    rows: list[tuple[int, int, str, str]] = []
    for item in range(len(shop.shelf)):
        first, (out, back) = int(shop.first[item]), shop.out[item].astype(np.int64).tolist()
        rows.append((first, item, "categoryid", str(int(shop.shelf[item]))))
        rows.append((first, item, "available", "1"))
        if back > out > first:
            rows += [(out, item, "available", "0"), (back, item, "available", "1")]
        price = float(random.lognormal(3, 0.6))
        rows.append((first, item, "790", f"n{price:.3f}"))
        if random.random() < 0.2:
            later = first + int(random.uniform(20, 100) * DAY)
            rows.append((later, item, "790", f"n{price * float(random.uniform(0.7, 1.2)):.3f}"))
    return [f"{when * 1000},{item},{name},{value}" for when, item, name, value in sorted(rows)]


def _write(path: Path, header: str, lines: Iterator[str] | list[str]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(header + "\n")
        file.writelines(f"{line}\n" for line in lines)
