"""Generated lines of invoices, in the layout of UCI Online Retail: repeats, weeks, trends, seasons, returns.

Nobody bought these things. A customer comes back every few weeks, buys half of a basket again and the rest by what is
liked and in season; whoever bought a thing takes what goes with it next time. Products grow or shrink over the weeks
and have a season of their own, and the shop is closed on Saturdays. Some lines are returns, postage, or of a customer
without a number, as in real files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rec_sys.arrays import Ints
from rec_sys.dataset.sources import sample_words as words
from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file

VERSION = 1  # raise it with every change of what is generated
START = 1_672_617_600  # Monday 2023-01-02, seconds
WEEKS = 78
DAY = 86_400
WEEKDAYS = (1.2, 1.1, 1.0, 1.2, 0.9, 0.0, 0.5)  # how much is bought, from Monday; closed on Saturdays
LINES = 4.0  # of an invoice on average
REPEATED = 0.5  # of the lines of a customer who was there before
NEXT = 0.2  # of the lines: what goes with something of the invoice before
RETURNED, POSTAGE, NAMELESS = 0.02, 0.08, 0.15  # shares of lines, of invoices, of invoices
PACKS = (1, 2, 3, 4, 6, 12, 24)

Floats = npt.NDArray[np.float64]
Line = tuple[int, str, str, str, int, float, str]  # second, invoice, code, name, pieces, price, customer


@dataclass(frozen=True)
class _Range:
    """The products."""

    codes: list[str]
    names: list[str]
    price: Floats
    level: Floats  # how much is bought of each
    trend: Floats  # growth a week
    phase: Floats  # week of the year in which most is bought
    amplitude: Floats
    partner: Ints  # what goes with each, bought next time

    def demand(self, week: float) -> Floats:
        """(products,) how much is bought of each in a week."""
        season = 1 + self.amplitude * np.cos(2 * np.pi * (week - self.phase) / 52)
        demand: Floats = self.level * np.exp(self.trend * (week - WEEKS / 2)) * season
        return demand


@dataclass
class _Customer:
    number: str
    liking: Floats  # (products,)
    had: list[int] = field(default_factory=list)  # products, the newest last
    last: list[int] = field(default_factory=list)  # of the invoice before


def write_orders(folder: Path, seed: int = 0, users: int = 800, products: int = 300, invoices: int = 9_000) -> Path:
    """Write `orders.csv` into `folder`; the same numbers give the same bytes.

    Args:
        folder: made if missing.
        seed: of all that is random.
        users: customers; every one buys at least three times.
        products: of the shop.
        invoices: of about four lines each.

    Raises:
        ConfigError: there are fewer than three invoices for each customer.
    """
    if invoices < 3 * users:
        raise ConfigError(
            f"a sample of orders with {users:,} customers and {invoices:,} invoices cannot be made; expected 3 "
            f"invoices a customer: change data.sample_reviews or data.sample_users"
        )
    random = np.random.default_rng(seed)
    goods = _range(random, products)
    eager = random.lognormal(0, 0.7, users)
    counts = 3 + random.multinomial(invoices - 3 * users, eager / eager.sum())
    visits: list[tuple[int, int]] = []  # second, customer
    for user, count in enumerate(counts.tolist()):
        visits += [(second, user) for second in _times(random, count)]
    visits.sort()
    customers = [_Customer(str(12_345 + user), _liking(random, products)) for user in range(users)]
    lines: list[Line] = []
    for place, (second, user) in enumerate(visits):
        lines += _invoice(random, goods, customers[user], second, str(500_000 + place))
    lines += _returns(random, lines)
    lines.sort(key=lambda line: (line[0], line[1]))
    path = folder / "orders.csv"
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
        for second, invoice, code, name, pieces, price, customer in lines:
            day = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"
            file.write(f"{invoice},{code},{name},{pieces},{day},{price:.2f},{customer},United Kingdom\n")
    return path


def _range(random: np.random.Generator, products: int) -> _Range:
    names = []
    for number in range(products):
        interest = words.INTERESTS[number % len(words.INTERESTS)]
        parts = (
            words.COLOURS[int(random.integers(len(words.COLOURS)))],
            interest.materials[int(random.integers(len(interest.materials)))],
            interest.things[int(random.integers(len(interest.things)))],
        )
        names.append(" ".join(parts).replace(",", " ").upper())
    return _Range(
        codes=[f"{20_000 + 7 * number}{'ABC'[number % 3] if number % 4 == 0 else ''}" for number in range(products)],
        names=names,
        price=np.round(random.lognormal(1, 0.7, products), 2) + 0.2,
        level=np.power(np.arange(products, dtype=np.float64) + 5, -0.6),
        trend=random.normal(0, 0.012, products),
        phase=random.uniform(0, 52, products),
        amplitude=random.uniform(0.1, 0.9, products),
        partner=random.permutation(products),
    )


def _liking(random: np.random.Generator, products: int) -> Floats:
    """(products,) what a customer likes: one to three kinds of things."""
    kinds = len(words.INTERESTS)
    liked = random.choice(kinds, size=int(random.integers(1, 4)), replace=False)
    liking: Floats = np.where(np.isin(np.arange(products) % kinds, liked), 1.0, 0.04)
    return liking


def _times(random: np.random.Generator, count: int) -> list[int]:
    """Seconds of the invoices of one customer, in the hours of the shop."""
    days = np.arange(WEEKS * 7)
    chance = np.array(WEEKDAYS)[days % 7]
    chosen = random.choice(days, size=count, replace=count > len(days), p=chance / chance.sum())
    minutes = random.integers(8 * 60, 18 * 60, size=count)
    return sorted((START + chosen * DAY + minutes * 60).tolist())


def _invoice(random: np.random.Generator, goods: _Range, customer: _Customer, second: int, number: str) -> list[Line]:
    """The lines of one invoice."""
    weight = np.cumsum(goods.demand((second - START) / DAY / 7) * customer.liking)
    taken: list[int] = []
    for _ in range(1 + int(random.poisson(LINES - 1))):
        chance = random.random()
        if customer.had and chance < REPEATED:
            back = min(int(random.exponential(12)), len(customer.had) - 1)
            product = customer.had[-1 - back]
        elif customer.last and chance < REPEATED + NEXT:
            product = int(goods.partner[customer.last[int(random.integers(len(customer.last)))]])
        else:
            product = int(np.searchsorted(weight, random.random() * weight[-1], side="right"))
        if product not in taken:
            taken.append(product)
    nameless = random.random() < NAMELESS
    who = "" if nameless else customer.number
    lines: list[Line] = [
        (
            second,
            number,
            goods.codes[product],
            goods.names[product],
            int(PACKS[min(int(random.exponential(2.2)), len(PACKS) - 1)]),
            float(goods.price[product]),
            who,
        )
        for product in taken
    ]
    if random.random() < POSTAGE:
        lines.append((second, number, "POST", "POSTAGE", 1, 18.0, who))
    if not nameless:
        customer.had += taken
        customer.last = taken
    return lines


def _returns(random: np.random.Generator, lines: list[Line]) -> list[Line]:
    """Some lines that come back days later, whole or in part."""
    back: list[Line] = []
    for second, invoice, code, name, pieces, price, customer in lines:
        if customer and code != "POST" and random.random() < RETURNED:
            returned = int(random.integers(1, pieces + 1))
            later = second + int(random.integers(1, 15)) * DAY
            back.append((later, f"C{invoice}", code, name, -returned, price, customer))
    return back
