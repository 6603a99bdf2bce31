"""A generated data set in the schema of the Amazon review data of 2018, so that everything runs without a download.

Nobody wrote these reviews. Users have one to three interests that follow each other, grow in skill, work through the
things of an interest in order, and prefer certain materials and colours; products differ in quality. So there is
something to find in the *texts* (who likes what, and often what comes next), in the *ratings* (after a poor one users
try another product of the same kind) and in the *order*. What a model scores here says that it learns, not that it
is good: for that take real reviews.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from rec_sys.arrays import Floats, Ints
from rec_sys.dataset.sources import sample_words as words
from rec_sys.errors import ConfigError
from rec_sys.files import atomic_file

VERSION = 1  # raise it with every change of what is generated, so that files of an older version are not taken
MIN_REVIEWS = 5  # of every user
DAY = 86_400  # seconds
FIRST_DAY = 15_706  # days since 1970: 2013-01-01
MIN_WORDS, MAX_WORDS = 10, 60  # of a review
MAX_SKILL = 2.0  # the most demanding level


@dataclass(frozen=True)
class SampleFiles:
    """Where a sample lies; both are JSON lines in gzip."""

    reviews: Path
    metadata: Path

    @classmethod
    def of(cls, folder: Path) -> SampleFiles:
        """The files of the sample in `folder`, there or not."""
        return cls(folder / "reviews.json.gz", folder / "metadata.json.gz")


@dataclass(frozen=True)
class _Catalogue:
    """What there is to buy, one row per product."""

    interest: Ints
    thing: Ints
    style: Ints  # which of the four materials of the interest
    colour: Ints
    level: Ints
    quality: Floats  # in stars
    popularity: Floats

    def names(self, product: int) -> dict[str, str]:
        """The words for a product."""
        interest = words.INTERESTS[self.interest[product]]
        names = {
            "name": interest.name,
            "thing": interest.things[self.thing[product]],
            "material": interest.materials[self.style[product]],
            "colour": words.COLOURS[self.colour[product]],
            "level": interest.levels[self.level[product]],
        }
        return names | {key.capitalize(): _capital(value) for key, value in names.items()}


@dataclass(frozen=True)
class _Review:
    product: int
    rating: int
    affinity: tuple[float, float]  # liking of the material and of the colour, about -2 to 2
    skill: float  # of the user, at the time, on the scale of the levels


def write_sample(
    folder: Path, seed: int = 0, users: int = 800, products: int = 300, reviews: int = 9_000
) -> SampleFiles:
    """Write `reviews.json.gz` and `metadata.json.gz` into `folder`; the same numbers give the same bytes.

    Args:
        folder: made if missing.
        seed: of all that is random.
        users: every one of them writes at least five reviews, never two of one product.
        products: all stand in the metadata; in a small sample some have no review.
        reviews: lines of the review file, oldest first.

    Raises:
        ConfigError: the three sizes cannot go together.
    """
    most = products // 2  # so that nobody runs out of products
    if users < 1 or not users * MIN_REVIEWS <= reviews <= users * most:
        raise ConfigError(
            f"a sample of {users:,} users, {products:,} products and {reviews:,} reviews cannot be made; expected "
            f"{MIN_REVIEWS} to products / 2 = {most:,} reviews per user: change data.sample_reviews or its neighbours"
        )
    random = np.random.default_rng(seed)
    catalogue = _make_catalogue(random, products)
    rows: list[tuple[int, int, dict[str, Any]]] = []
    for user, count in enumerate(_review_counts(random, users, reviews, most)):
        name = f"{_pick(random, words.FIRST_NAMES)} {chr(65 + int(random.integers(26)))}."
        day = FIRST_DAY + int(random.integers(4 * 365))
        written = _live(random, catalogue, int(count))
        for step, review in enumerate(written):
            day += 1 + int(random.exponential(24.0))
            upcoming = written[step + 1].product if step + 1 < len(written) else None
            row = _review_row(random, catalogue, review, upcoming, day * DAY)
            rows.append((day, user, {"reviewerID": f"A{user:05d}SAMPLE", "reviewerName": name} | row))
    rows.sort(key=lambda row: row[:2])
    files = SampleFiles.of(folder)
    _write_lines(files.metadata, _metadata_rows(random, catalogue))
    _write_lines(files.reviews, (row for _, _, row in rows))
    return files


def _make_catalogue(random: np.random.Generator, products: int) -> _Catalogue:
    number = np.arange(products)
    kinds = len(words.INTERESTS)
    things = np.array([len(interest.things) for interest in words.INTERESTS])
    interest = number % kinds
    popularity = (number // kinds + 1.0) ** -0.85  # few products are known to many: a long tail in every interest
    return _Catalogue(
        interest=interest,
        thing=random.integers(1000, size=products) % things[interest],
        style=random.integers(4, size=products),
        colour=random.integers(len(words.COLOURS), size=products),
        level=random.integers(3, size=products),
        quality=random.normal(0.0, 0.4, products).astype(np.float32),
        popularity=popularity.astype(np.float32),
    )


def _review_counts(random: np.random.Generator, users: int, reviews: int, most: int) -> Ints:
    """(users,) reviews of each user: at least five, at most `most`, a few users with many; sums to `reviews`."""
    eagerness = random.lognormal(0.0, 0.8, users)
    counts = np.full(users, MIN_REVIEWS, dtype=np.int64)
    while (missing := reviews - int(counts.sum())) > 0:
        chance = eagerness * (counts < most)
        counts = np.minimum(counts + random.multinomial(missing, chance / chance.sum()), most)
    return counts


def _live(random: np.random.Generator, catalogue: _Catalogue, count: int) -> list[_Review]:
    """The reviews of one user in time order."""
    kinds = len(words.INTERESTS)
    liked_styles = random.normal(0.0, 1.0, 4)
    liked_colours = random.normal(0.0, 1.0, len(words.COLOURS))
    kindness = random.normal(0.0, 0.35)  # in stars
    chance = np.arange(2.0, kinds + 2) ** -0.5  # some pastimes are more common
    mine = random.choice(
        kinds, size=int(random.choice([1, 2, 3], p=[0.25, 0.45, 0.3])), replace=False, p=chance / chance.sum()
    )
    skill = random.uniform(0.0, 1.0, kinds)
    last_thing: dict[int, tuple[int, int]] = {}  # interest: (thing, its rating)
    style, colour = liked_styles[catalogue.style], liked_colours[catalogue.colour]
    affinity = 0.65 * style + 0.45 * colour  # (products,)
    charm = catalogue.popularity * np.exp(0.6 * affinity)
    turn, reviews = 0, list[_Review]()
    for _ in range(count):
        interest = int(mine[turn % len(mine)])
        weight = charm * np.where(catalogue.interest == interest, 1.0, 0.015)  # now and then a gift for somebody else
        weight *= np.exp(-1.2 * np.abs(catalogue.level - skill[catalogue.interest]))
        if interest in last_thing:
            thing, rating = last_thing[interest]
            wanted = (thing + (rating > 3)) % len(
                words.INTERESTS[interest].things
            )  # what did not please is replaced first
            weight[(catalogue.interest == interest) & (catalogue.thing == wanted)] *= 10.0
        weight[[review.product for review in reviews]] = 0.0
        total = np.cumsum(weight)
        product = int(np.searchsorted(total, random.random() * total[-1], side="right"))
        kind = int(catalogue.interest[product])
        off_level = abs(catalogue.level[product] - skill[kind])
        stars = 4.55 + kindness + catalogue.quality[product] + 0.9 * affinity[product] - 0.5 * off_level
        rating = int(np.clip(np.rint(stars + random.normal(0.0, 0.4) - 1.5 * (random.random() < 0.04)), 1, 5))
        reviews.append(_Review(product, rating, (float(style[product]), float(colour[product])), float(skill[kind])))
        last_thing[kind] = int(catalogue.thing[product]), rating
        skill[kind] = min(skill[kind] + 0.15, MAX_SKILL)
        turn += int(random.random() < (0.2 if rating > 2 else 0.4))
    return reviews


def _review_row(
    random: np.random.Generator, catalogue: _Catalogue, review: _Review, upcoming: int | None, seconds: int
) -> dict[str, Any]:
    """The fields of a review that do not depend on who wrote it, named as in the source."""
    names = catalogue.names(review.product)
    time = datetime.fromtimestamp(seconds, UTC)
    interest = words.INTERESTS[catalogue.interest[review.product]]
    aspects = random.permutation(len(interest.aspects))[:2]
    names |= {"use": _pick(random, interest.uses)}
    names |= {"aspect": interest.aspects[aspects[0]], "aspect2": interest.aspects[aspects[1]]}
    row: dict[str, Any] = {
        "asin": _asin(review.product),
        "overall": float(review.rating),
        "verified": bool(random.random() < 0.9),
        "reviewText": _text(random, catalogue, review, upcoming, names),
        "summary": _capital(_pick(random, words.SUMMARIES[review.rating]).format(**names)),
        "unixReviewTime": seconds,
        "reviewTime": f"{time:%m} {time.day}, {time:%Y}",
        "style": {"Color:": f" {names['Colour']}"},
    }
    if random.random() < 0.15:
        row["vote"] = str(2 + int(random.exponential(4.0)))
    return row


def _text(
    random: np.random.Generator,
    catalogue: _Catalogue,
    review: _Review,
    upcoming: int | None,
    names: dict[str, str],
) -> str:
    """Up to six sentences of 10 to 60 words in all; what a user likes is said only where it is felt."""
    mood = "good" if review.rating > 3 else "mixed" if review.rating == 3 else "bad"
    style, colour = review.affinity
    middle = [_pick(random, words.ASPECTS[mood])]
    if abs(style) > 0.5 and random.random() < 0.6:
        middle.append(_pick(random, words.LIKES_MATERIAL if style > 0 else words.DISLIKES_MATERIAL))
    if abs(colour) > 0.7 and random.random() < 0.4:
        middle.append(_pick(random, words.LIKES_COLOUR if colour > 0 else words.DISLIKES_COLOUR))
    if random.random() < 0.35:
        gap = catalogue.level[review.product] - review.skill
        middle.append(
            _pick(random, words.TOO_HARD if gap > 0.8 else words.TOO_EASY if gap < -0.8 else words.RIGHT_LEVEL)
        )
    sentences = [middle[place] for place in random.permutation(len(middle))]
    if random.random() < 0.85:
        sentences.insert(0, _pick(random, words.OPENINGS[mood]))
    if random.random() < 0.7:
        sentences.append(_pick(random, words.CLOSINGS[review.rating]))
    if upcoming is not None and random.random() < 0.3:
        other = catalogue.names(upcoming)
        same = other["name"] == names["name"]
        names = names | {"next": other["thing"] if same else other["name"]}
        sentences.append(_pick(random, words.NEXT_THING if same else words.NEXT_INTEREST))
    sentences = [sentence.format(**names) for sentence in sentences]
    if _num_words(sentences) < MIN_WORDS:
        sentences.insert(0, _pick(random, words.OPENINGS[mood]).format(**names))
    while _num_words(sentences) > MAX_WORDS:
        del sentences[1]
    return " ".join(sentences)


def _num_words(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _metadata_rows(random: np.random.Generator, catalogue: _Catalogue) -> Iterable[dict[str, Any]]:
    """One row per product, named as in the source; no two titles are the same."""
    titles: dict[str, int] = {}
    for product in range(len(catalogue.interest)):
        names = catalogue.names(product)
        interest = words.INTERESTS[catalogue.interest[product]]
        names |= {"use": _pick(random, interest.uses), "aspect": _pick(random, interest.aspects)}
        title = "{Material} {thing} in {colour}, {level}".format(**names)
        titles[title] = titles.get(title, 0) + 1
        price = (8 + 20 * catalogue.level[product] + 6 * catalogue.style[product]) * random.uniform(0.8, 1.4)
        yield {
            "asin": _asin(product),
            "title": title if titles[title] == 1 else f"{title}, mark {titles[title]}",
            "description": [_pick(random, words.DESCRIPTIONS).format(**names)],
            "category": ["Hobbies", names["Name"], names["Thing"]],
            "brand": _pick(random, words.BRANDS),
            "price": f"${price:.2f}",
        }


def _asin(product: int) -> str:
    return f"B0SAMPLE{product:04d}"


def _pick(random: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    # Neither name nor time goes into the gzip header, so equal rows are equal bytes.
    with (
        atomic_file(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file,
    ):
        file.writelines(orjson.dumps(row) + b"\n" for row in rows)
