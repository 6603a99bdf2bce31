"""What a prepared file holds, in figures that a recommender cares about, computed from its Parquet files.

description = describe_reviews(prepared)
print(page_text(description))
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import polars as pl
import pyarrow.parquet as pq

from rec_sys import columns
from rec_sys.columns import MAX_RATING, MIN_RATING
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.ratings import from_stars
from rec_sys.dataset.scripts import LATIN, scripts_of
from rec_sys.dataset.splits import NEEDED_REVIEWS
from rec_sys.dataset.table import load_table
from rec_sys.errors import DataError

SAMPLE_ROWS = 5
SAMPLE_TEXTS = 2_000  # texts of which the scripts are told
EXAMPLES = 3  # of the rows of each reason that were left out
FEW_TESTED = 100  # users below which figures of a test vary much by chance
FOREIGN = 0.1  # share of texts in other than Latin letters from which it is said
BATCH = 8_192  # texts that are in memory
MAX_SHOWN = 2_000  # characters of a sample's text


@dataclass(frozen=True)
class SampleRow:
    """A review as it was understood."""

    line: int  # of the raw file
    user: str
    product: str
    rating: float | None  # on the scale of the file
    stars: float | None  # the same as 1 to 5
    when: str  # a date, or the place in the order
    text: str  # its start; " / " behind a title
    product_name: str


@dataclass(frozen=True)
class Spread:
    """How many reviews each user, or each product, has."""

    total: int  # users or products
    median: float
    most: int
    by_reviews: dict[int, int]  # how many have one review, two, ...; ascending

    @property
    def one(self) -> int:
        return self.by_reviews.get(1, 0)

    @property
    def two(self) -> int:
        return self.by_reviews.get(2, 0)

    @property
    def more(self) -> int:
        """How many have three or more."""
        return self.total - self.one - self.two


@dataclass(frozen=True)
class Texts:
    """The texts of the reviews that have one."""

    total: int
    median: float  # characters
    longest: int
    by_length: dict[int, int]  # how many have 1 character, 2 to 3, 4 to 7, ...: by the least of them
    sample: int  # texts of which the scripts were told
    scripts: dict[str, int]  # of the sample, by the script most of the letters are of; the most frequent first


@dataclass(frozen=True)
class Core:
    """What `data.k_core` keeps."""

    least: int  # reviews of each user and each product
    reviews: int
    users: int
    products: int
    testable: int  # users with the reviews that training, validation and test need


@dataclass(frozen=True)
class RejectedRow:
    """A row that was left out."""

    line: int
    reason: str
    row: str  # what it held


@dataclass(frozen=True)
class Description:
    """The figures of a prepared file. Reviews by names that stand for many users count for no user."""

    prepared: PreparedReviews
    samples: list[SampleRow]  # the first of the file
    users: Spread
    products: Spread
    density: float  # share of all pairs of a user and a product that are reviewed
    same_moment: int  # reviews of the same second as another by their user; 0 without dates
    ratings: dict[float, int]  # on the scale of the file, ascending; empty without ratings
    months: dict[str, int]  # "2018-09", ascending; empty without dates
    texts: Texts | None  # None where there is none
    rejects: list[RejectedRow]  # a few of each reason
    core: Core | None  # None where all is kept
    warnings: list[str]

    @property
    def what(self) -> str:
        """What is counted: reviews, or the interactions that events and orders give."""
        return "interactions" if self.prepared.log else "reviews"

    @property
    def enough(self) -> str:
        """Whether this is enough to train and test, in words."""
        testable, of = self.users.more, self.users.total
        if self.core is not None:
            testable, of = self.core.testable, self.core.users
        needed = f"the {NEEDED_REVIEWS} {self.what} that training, validation and test need"
        said = f"{testable:,} of {of:,} users have {needed}"
        if not testable or testable >= FEW_TESTED:
            return said
        return f"{said}; figures of a test on fewer than {FEW_TESTED} users vary much by chance"

    def facts(self) -> list[tuple[str, str]]:
        """What else there is to say, as names and words."""
        facts = [("density", f"{self.density:.3%} of all pairs of a user and a product are reviewed")]
        if self.texts:
            facts.append(("texts", f"{self.texts.median:,.0f} characters (median), the longest {self.texts.longest:,}"))
            shares = ", ".join(f"{name} {percent(n, self.texts.sample)}" for name, n in self.texts.scripts.items())
            facts.append(("scripts", f"{shares} of a sample of {self.texts.sample:,} texts"))
        if self.same_moment and self.prepared.log != "orders":  # lines of an invoice are of one moment
            facts.append(
                (
                    "same moment",
                    f"{self.same_moment:,} {self.what} are of the same second as another of their user; the order of "
                    f"the file decides which is the later",
                )
            )
        if self.core:
            facts.append(
                (
                    f"data.k_core={self.core.least}",
                    f"keeps {self.core.reviews:,} reviews of {self.core.products:,} products by {self.core.users:,} "
                    f"users",
                )
            )
        return [*facts, ("train and test", self.enough)]


def describe_reviews(prepared: PreparedReviews, k_core: int = 1) -> Description:
    """Compute the figures; columns are read one after the other, and no text stays in memory.

    Args:
        prepared: whose folder is read.
        k_core: reviews that users and products must have to be kept for training, see `data.k_core`.
    """
    frame = pl.scan_parquet(prepared.folder / columns.REVIEWS_FILE)
    dated = prepared.order == "time"
    of_users = _of_named_users(frame, prepared)
    users, same_moment = _spread(of_users, columns.USER_ID), 0
    if dated:
        pairs = of_users.group_by(columns.USER_ID, columns.TIMESTAMP).agg(pl.len())
        same_moment = int(pairs.filter(pl.col("len") > 1).select(pl.col("len").sum()).collect().item())
    products = _spread(frame, columns.PRODUCT_ID)
    core, warnings = None, list(prepared.warnings)
    if k_core > 1:
        try:
            core = _core(prepared, k_core)
        except DataError as error:
            warnings.append(str(error))
    ratings = _ratings(frame, prepared)
    texts = _texts(prepared) if prepared.without_text < prepared.kept else None
    authors = prepared.users + sum(prepared.collective.values())
    return Description(
        prepared=prepared,
        samples=_samples(frame, prepared),
        users=users,
        products=products,
        density=prepared.kept / max(authors * products.total, 1),
        same_moment=same_moment,
        ratings=ratings,
        months=_months(frame) if dated else {},
        texts=texts,
        rejects=_rejects(prepared),
        core=core,
        warnings=[*warnings, *_suspicious(users, core, ratings, texts)],
    )


def _suspicious(users: Spread, core: Core | None, ratings: dict[float, int], texts: Texts | None) -> list[str]:
    """What the figures warn of."""
    said = []
    if not (users.more if core is None else core.testable):
        most = f" (most: {users.most:,})" if core is None else f" with data.k_core={core.least}"
        said.append(
            f"none of {users.total if core is None else core.users:,} users has the {NEEDED_REVIEWS} reviews that "
            f"training, validation and test need{most}; training will refuse this file"
        )
    if len(ratings) == 1:
        value, count = next(iter(ratings.items()))
        said.append(f"all {count:,} ratings are {value:g}; nothing can be learned from them")
    if texts and (foreign := texts.sample - texts.scripts.get(LATIN, 0)) >= FOREIGN * texts.sample:
        said.append(
            f"{foreign / texts.sample:.0%} of a sample of {texts.sample:,} texts are not in Latin letters; the default "
            f"text encoder was trained on English, encoder.name=... takes another"
        )
    return said


def _of_named_users(frame: pl.LazyFrame, prepared: PreparedReviews) -> pl.LazyFrame:
    """The reviews without those by names that stand for many users, whose ids bear the line."""
    if not prepared.collective:
        return frame
    user, line = pl.col(columns.USER_ID), pl.col(columns.LINE).cast(pl.String)
    ours = pl.lit(False)
    for name in prepared.collective:
        ours = ours | (user == pl.concat_str(pl.lit(f"{name} #"), line))
    return frame.filter(~ours)


def _spread(frame: pl.LazyFrame, key: str) -> Spread:
    """How many reviews each value of a column has."""
    counts = frame.group_by(key).agg(pl.len().alias("reviews"))
    found = counts.group_by("reviews").agg(pl.len().alias("how_many")).sort("reviews").collect(engine="streaming")
    by_reviews = dict(zip(found["reviews"].to_list(), found["how_many"].to_list(), strict=True))
    total = sum(by_reviews.values())
    return Spread(total, _median(by_reviews), max(by_reviews, default=0), by_reviews)


def _median(counts: dict[int, int]) -> float:
    """The median of values of which each is there so many times; ascending."""
    total, before = sum(counts.values()), 0
    low: int | None = None
    for value, count in counts.items():
        before += count
        if low is None and 2 * before >= total:
            low = value
        if 2 * before > total:
            return ((low or 0) + value) / 2
    return 0.0


def _samples(frame: pl.LazyFrame, prepared: PreparedReviews) -> list[SampleRow]:
    read = [columns.USER_ID, columns.PRODUCT_ID, columns.RATING, columns.TIMESTAMP, columns.TEXT, columns.LINE]
    rows = frame.select(read).head(SAMPLE_ROWS).with_columns(pl.col(columns.TEXT).str.slice(0, MAX_SHOWN)).collect()
    names = (
        pl.scan_parquet(prepared.folder / columns.PRODUCTS_FILE)
        .filter(pl.col(columns.PRODUCT_ID).is_in(rows[columns.PRODUCT_ID].to_list()))
        .select(columns.PRODUCT_ID, columns.PRODUCT_NAME)
        .collect()
    )
    name_of = dict(names.iter_rows())
    titled = "title" in prepared.columns
    return [
        SampleRow(
            line=line,
            user=user,
            product=product,
            rating=_on_scale(stars, prepared),
            stars=stars,
            when=_when(timestamp, prepared),
            text=text.replace("\n", " / ", 1) if titled else text,
            product_name=name_of.get(product) or "",
        )
        for user, product, stars, timestamp, text, line in rows.iter_rows()
    ]


def _on_scale(stars: float | None, prepared: PreparedReviews) -> float | None:
    """1 to 5 as a rating of the file; what is kept has 32 bits, which is more than people write."""
    if stars is None:
        return None
    low, high = prepared.rating_scale or (MIN_RATING, MAX_RATING)
    return round(from_stars(stars, (low, high)), 4)


def _when(timestamp: int, prepared: PreparedReviews) -> str:
    if prepared.order != "time":
        return f"{timestamp:,}"
    moment = datetime.fromtimestamp(timestamp, UTC)
    return f"{moment:%Y-%m-%d}" if timestamp % 86_400 == 0 else f"{moment:%Y-%m-%d %H:%M}"


def _ratings(frame: pl.LazyFrame, prepared: PreparedReviews) -> dict[float, int]:
    """How often each rating was given, on the scale of the file."""
    rating = pl.col(columns.RATING)
    found = frame.filter(rating.is_not_null()).group_by(rating).agg(pl.len()).sort(rating).collect()
    return {float(_on_scale(stars, prepared) or 0): count for stars, count in found.iter_rows()}


def _months(frame: pl.LazyFrame) -> dict[str, int]:
    """Reviews of each month from the first to the last."""
    month = pl.from_epoch(columns.TIMESTAMP, time_unit="s").dt.strftime("%Y-%m").alias("month")
    found = frame.group_by(month).agg(pl.len()).sort("month").collect()
    counts: dict[str, int] = dict(found.iter_rows())
    (first, *_), (*_, last) = counts, counts
    return {month: counts.get(month, 0) for month in _months_between(first, last)}


def _months_between(first: str, last: str) -> list[str]:
    start, stop = (12 * int(month[:4]) + int(month[5:]) - 1 for month in (first, last))
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(start, stop + 1)]


def _texts(prepared: PreparedReviews) -> Texts:
    """Lengths of all texts, and scripts of a sample that is spread over the file; one batch is in memory."""
    step = -(-prepared.kept // SAMPLE_TEXTS)
    lengths: Counter[int] = Counter()
    sampled: list[str] = []
    start = 0  # rows before the batch
    with pq.ParquetFile(prepared.folder / columns.REVIEWS_FILE, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(BATCH, columns=[columns.TEXT]):
            texts = pl.Series(columns.TEXT, pl.from_arrow(batch.column(0)))
            for length, count in texts.str.len_chars().value_counts().iter_rows():
                lengths[length] += count
            sampled += texts.gather_every(step, -start % step).to_list()  # a series would keep the whole batch
            start += len(texts)
    del lengths[0]
    by_length: dict[int, int] = {}
    for length, count in sorted(lengths.items()):
        least = 1 << (length.bit_length() - 1)
        by_length[least] = by_length.get(least, 0) + count
    sample = pl.Series(columns.TEXT, list(filter(None, sampled)), dtype=pl.String)
    return Texts(
        total=lengths.total(),
        median=_median(dict(sorted(lengths.items()))),
        longest=max(lengths),
        by_length=by_length,
        sample=len(sample),
        scripts=scripts_of(sample),
    )


def _core(prepared: PreparedReviews, least: int) -> Core:
    """What `data.k_core` keeps.

    Raises:
        DataError: nothing.
    """
    table = load_table(prepared.folder, prepared.fingerprint, least)
    reviews = table.indptr()
    testable = int((reviews[1:] - reviews[:-1] >= NEEDED_REVIEWS).sum())
    return Core(least, len(table), table.num_users, table.num_products, testable)


def _rejects(prepared: PreparedReviews) -> list[RejectedRow]:
    """The first rows of each reason; reads no further than needed."""
    missing = {reason: min(count, EXAMPLES) for reason, count in prepared.rejected.items()}
    found = []
    with (prepared.folder / columns.REJECTS_FILE).open("rb") as file:
        while any(missing.values()) and (line := file.readline()):
            reject = orjson.loads(line)
            if not missing.get(reject["reason"]):
                continue
            missing[reject["reason"]] -= 1
            row = reject["row"]
            held = row if isinstance(row, str) else ", ".join(f"{name}: {value}" for name, value in row.items())
            found.append(RejectedRow(reject["line"], reject["reason"], held))
    return found


def percent(part: int, whole: int) -> str:
    """A share with one digit behind the point where it says something."""
    return f"{part / max(whole, 1):.1%}".replace(".0%", "%")
