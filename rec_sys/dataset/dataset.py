"""A data set: reviews numbered in one table, their split, and the vectors of their texts, computed when asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rec_sys import columns
from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.events import EventTable, before_held_out, events_of_reviews, weights_before_held_out
from rec_sys.dataset.kept_paths import with_relative_paths
from rec_sys.dataset.prepared import PreparedReviews, find_prepared, prepared_folder
from rec_sys.dataset.product_texts import ProductDescriptions, describe_held_out_products, with_texts_from
from rec_sys.dataset.readers.reading_settings import ReadingSettings, ReadSettings
from rec_sys.dataset.review_writer import MARK
from rec_sys.dataset.reviews import prepare_reviews
from rec_sys.dataset.sales import SalesTable, sales_of_events
from rec_sys.dataset.settings import DataSettings, SplitSettings
from rec_sys.dataset.sources.locate import locate
from rec_sys.dataset.splits import Part, Split, split_by_time
from rec_sys.dataset.table import ReviewTable, load_table, with_core
from rec_sys.dataset.text_vectors import TextVectors, embed_dataset
from rec_sys.errors import DataError
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.text.settings import EncoderSettings

if TYPE_CHECKING:
    from rec_sys.dataset.properties import ProductProperties  # Polars

logger = logging.getLogger(__name__)

PREPARED = "prepared"  # folder of prepared reviews, below that of the data
Need = Literal["texts", "ratings", "times"]  # what a recommender may need of a data set


@dataclass(eq=False)
class Dataset:
    """What models are trained and evaluated on.

    Texts are embedded when they are first asked for, so that models without texts load no encoder.
    """

    name: str
    table: ReviewTable
    names: list[str]  # of the products; empty where none is known
    embed: Callable[[], TextVectors]
    has_texts: bool  # of reviews or of products
    has_dates: bool = True  # timestamps are times; else places in an order, and the days between them mean nothing
    columns: dict[str, list[str]] = field(default_factory=dict)  # of the file, by field
    rating_scale: tuple[float, float] | None = None  # lowest and best rating of the file; None: it has none
    collective: frozenset[str] = frozenset()  # names of the file that stand for many users, each a user of its own here
    earlier_fingerprints: frozenset[str] = frozenset()  # that earlier programs gave this data
    split_settings: SplitSettings = field(default_factory=SplitSettings)
    read_events: Callable[[], EventTable] | None = None  # of a data set of events or orders
    read_sales: Callable[[], SalesTable] | None = None  # of a data set of orders
    read_properties: Callable[[], ProductProperties] | None = None  # of a data set with a file of them
    origin: dict[str, Any] = field(default_factory=dict)  # settings that load it again, by group
    as_pandas: bool = False  # it came as a pandas DataFrame, so answers are given as such

    def __repr__(self) -> str:
        table = self.table
        has = ", ".join(sorted(self.has)) or "interactions alone"
        return (
            f"<Dataset {self.name}: {len(table):,} {'reviews' if self.read_events is None else 'interactions'} of "
            f"{table.num_products:,} products by {table.num_users:,} users; {has}>"
        )

    @classmethod
    def of_table(
        cls,
        table: ReviewTable,
        split: Split | None = None,
        review_text: Vectors | None = None,
        product_text: Vectors | None = None,
        names: list[str] | None = None,
        name: str = "table",
        encoder: dict[str, Any] | None = None,
    ) -> Dataset:
        """A data set whose text vectors are at hand, or that has no texts.

        Args:
            table: the reviews.
            split: of them; None: by time.
            review_text: (num_reviews, text_dim) vectors.
            product_text: (num_products, text_dim) vectors.
            names: of the products.
            name: of the data set.
            encoder: name, backend and fingerprint of what made the vectors.
        """
        reviews = np.zeros((len(table), 0), dtype=np.float16) if review_text is None else review_text
        products = np.zeros((table.num_products, 0), dtype=np.float16) if product_text is None else product_text
        vectors = TextVectors(reviews, products, encoder or {"name": "", "backend": "", "fingerprint": ""})
        made = cls(
            name=name,
            table=table,
            names=[""] * table.num_products if names is None else names,
            embed=lambda: vectors,
            has_texts=bool(reviews.shape[1] or products.shape[1]),
        )
        if split is not None:
            made.__dict__["split"] = split
        return made

    @cached_property
    def split(self) -> Split:
        """Which reviews are learned from, which choose, which test."""
        return split_by_time(self.table, self.split_settings)

    @cached_property
    def vectors(self) -> TextVectors:
        """Vectors of all texts; embeds them the first time."""
        return self.embed()

    @cached_property
    def events(self) -> EventTable:
        """What users did; of data without events, its reviews as events."""
        return events_of_reviews(self.table) if self.read_events is None else self.read_events()

    @cached_property
    def training_events(self) -> EventTable:
        """The events that may be learned from: of each user, those before the first held-out one."""
        if self.read_events is None:
            return self.events.part(self.split.train)
        return self.events.part(before_held_out(self.table, self.split, self.events))

    @cached_property
    def sales(self) -> SalesTable:
        """Pieces per product and day; of data without orders, its strongest kind of event, counted."""
        return sales_of_events(self.events, self.names) if self.read_sales is None else self.read_sales()

    @cached_property
    def training_sales(self) -> SalesTable:
        """The sales that may be learned from: without those that the held-out reviews stand for."""
        if self.read_sales is None:
            return sales_of_events(self.training_events, self.names)
        held_out = np.setdiff1d(np.arange(len(self.events)), before_held_out(self.table, self.split, self.events))
        return self.sales.without(sales_of_events(self.events.part(held_out), self.names))

    @cached_property
    def properties(self) -> ProductProperties | None:
        """Properties of the products as they were at each time; None where the data has none."""
        return None if self.read_properties is None else self.read_properties()

    @property
    def is_embedded(self) -> bool:
        """Whether somebody has asked for the vectors of the texts."""
        return "vectors" in self.__dict__

    @cached_property
    def features(self) -> ReviewTable:
        """The table with the vectors of its texts: what the graph model reads of reviews."""
        return self.table.with_text(self.vectors.reviews)

    @cached_property
    def held_out_products(self) -> ProductDescriptions | None:
        """Held-out products, each described by its own text or by its first reviews; None where none is held out."""
        if not self.split_settings.held_out_products and "split" not in self.__dict__:
            return None  # known without splitting, so that data too short to be split has texts all the same
        if self.split.in_histories is None:
            return None
        return describe_held_out_products(self.table, self.split, self.review_text, self.vectors.products)

    @property
    def review_text(self) -> Vectors:
        """(num_reviews, text_dim or 0)"""
        return self.vectors.reviews

    @property
    def product_text(self) -> Vectors:
        """(num_products, text_dim or 0): own texts; of held-out products without one, their support reviews."""
        return self.vectors.products if self.held_out_products is None else self.held_out_products.product_text

    @cached_property
    def item_text(self) -> Vectors:
        """(num_products, text_dim or 0): own texts; of products without one, the mean of their training reviews."""
        return with_texts_from(self.table, self.split.train, self.review_text, self.product_text)

    @property
    def text_dim(self) -> int:
        """Length of the texts' vectors; 0 where there is no text at all."""
        return int(max(self.review_text.shape[1], self.vectors.products.shape[1]))

    @property
    def has_ratings(self) -> bool:
        return not bool(np.isnan(self.table.rating).all())

    @property
    def has(self) -> frozenset[Need]:
        """What a recommender may ask for by name."""
        present: list[tuple[Need, bool]] = [
            ("texts", self.has_texts),
            ("ratings", self.has_ratings),
            ("times", self.has_dates),
        ]
        return frozenset(need for need, there in present if there)

    def check_has(self, needs: frozenset[Need], model: str) -> None:
        """Refuse data that lacks what a model needs.

        Raises:
            DataError: names what is missing.
        """
        if missing := sorted(needs - self.has):
            raise DataError(
                f"{model} needs {' and '.join(missing)}, which {self.name} lacks; give data with them or leave this "
                f"model out"
            )

    def learned_whole(self) -> Dataset:
        """The same data with nothing held out: for the model that is used once its kind has been evaluated."""
        return self.learned_from(np.arange(len(self.table)))

    def learned_from(self, reviews: Ints) -> Dataset:
        """The same data of which only some reviews are learned from (ascending numbers); none has a part to test."""
        nothing = np.zeros(0, dtype=np.int64)
        other = replace(self, table=replace(self.table, read_weights=None))
        other.__dict__["split"] = Split(reviews, nothing, nothing, nothing)
        for name in ("vectors", "events", "sales"):  # of the whole data
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other

    def targets(self, part: Part) -> Ints:
        """Held-out reviews to evaluate on: of a part of the split, without those that describe a held-out product."""
        if part == "held_out_products" and self.held_out_products is not None:
            return self.held_out_products.targets
        return self.split.part(part)

    def named_users(self) -> Ints:
        """(n,) numbers of the users that the file tells apart: without those behind a name that stands for many."""
        ids = self.table.users.ids
        if not self.collective:
            return np.arange(len(ids))
        return np.array([n for n, name in enumerate(ids) if name.rpartition(MARK)[0] not in self.collective], np.int64)

    def is_what_was(self, trained: Mapping[str, Any]) -> bool:
        """Whether the record of a model (`facts()["data"]`) speaks of this data.

        Data that an earlier program read to the same counts is the same; it gave it another fingerprint.
        """
        table, was = self.table, trained.get("fingerprint")
        if was == table.fingerprint:
            return True
        counts = (len(table), table.num_users, table.num_products)
        return was in self.earlier_fingerprints and counts == (
            trained.get("reviews"),
            trained.get("users", trained.get("people")),
            trained.get("products"),
        )

    def facts(self) -> dict[str, Any]:
        """Plain JSON that says what a model was trained on."""
        return {
            "settings": self.origin,
            "data": {
                "name": self.name,
                "fingerprint": self.table.fingerprint,
                "reviews": len(self.table),
                "users": self.table.num_users,
                "products": self.table.num_products,
                "columns": self.columns,
                "rating_scale": self.rating_scale,
                "as_pandas": self.as_pandas,
            },
            "split": self.split.summary(),
        }


def prepare_data(
    settings: DataSettings, paths: Paths, progress: ProgressCallback | None = None
) -> tuple[str, PreparedReviews]:
    """Find, read and check the raw reviews; returns the data set's name and the prepared folder."""
    raw = locate(settings, paths.data, progress)
    how = {name: getattr(settings, name) for name in ReadingSettings.model_fields}
    reading = ReadSettings(
        **how,
        user_ids=raw.user_ids,
        product_ids=raw.product_ids,
        category_tree=raw.category_tree,
        item_properties=raw.item_properties,
    )
    out = paths.data / PREPARED
    if settings.format in ("events", "orders"):
        from rec_sys.dataset.event_log import derive_events  # Polars, see below
        from rec_sys.dataset.event_preparation import prepare_log
        from rec_sys.dataset.order_lines import derive_orders

        derive = derive_events if settings.format == "events" else derive_orders
        return raw.name, prepare_log(raw.reviews, out, reading, derive, raw.metadata, progress)
    return raw.name, prepare_reviews(raw.reviews, out, reading, raw.metadata, progress)


def load_data(
    settings: DataSettings,
    encoder_settings: EncoderSettings,
    paths: Paths,
    progress: ProgressCallback | None = None,
    split: SplitSettings | None = None,
) -> Dataset:
    """Read and check reviews where that has not been done before; texts are embedded when they are asked for.

    Args:
        settings: which reviews.
        encoder_settings: of their texts.
        paths: where to read and write.
        progress: told how far the work is.
        split: of the reviews; None: the default one.

    Raises:
        DataError: the raw file cannot be read or holds nothing usable.
    """
    name, prepared = prepare_data(settings, paths, progress)
    logger.info("%s", prepared.describe())
    return _dataset_of(name, prepared, settings, encoder_settings, paths, progress, split)


def load_data_again(
    settings: DataSettings,
    encoder_settings: EncoderSettings,
    paths: Paths,
    trained: Mapping[str, Any],
    progress: ProgressCallback | None = None,
    split: SplitSettings | None = None,
) -> Dataset:
    """As `load_data`, for data that was read before: the raw file is looked at only where what was read is gone.

    Args:
        settings: with which it was read.
        encoder_settings: of its texts.
        paths: where it was read to.
        trained: what a model's record says of it, `facts()["data"]`.
        progress: told how far the work is.
        split: of the table.

    Raises:
        DataError: as `load_data`.
    """
    of_files = str(trained.get("fingerprint")).partition("-")[0]
    prepared = find_prepared(prepared_folder(paths.data / PREPARED, of_files), of_files)
    if prepared is None:
        return load_data(settings, encoder_settings, paths, progress, split)
    return _dataset_of(str(trained.get("name")), prepared, settings, encoder_settings, paths, progress, split)


def _dataset_of(
    name: str,
    prepared: PreparedReviews,
    settings: DataSettings,
    encoder_settings: EncoderSettings,
    paths: Paths,
    progress: ProgressCallback | None,
    split: SplitSettings | None,
) -> Dataset:
    """The data set of a prepared folder."""
    import polars as pl  # a quarter of a second, and a command that only prints its help needs none

    table = load_table(prepared.folder, prepared.fingerprint, settings.k_core, prepared.newest_first)
    products = pl.read_parquet(prepared.folder / columns.PRODUCTS_FILE)
    of_product = pl.DataFrame({columns.PRODUCT_ID: table.products.ids}).join(
        products, on=columns.PRODUCT_ID, how="left", maintain_order="left"
    )
    texts = of_product[columns.PRODUCT_TEXT].fill_null("").to_list()
    split = split or SplitSettings()
    of_log: dict[str, Any] = {}
    if prepared.log:
        from rec_sys.dataset.event_folder import readers_of

        of_log = readers_of(prepared, table)
    made = Dataset(
        name=name,
        table=table,
        names=of_product[columns.PRODUCT_NAME].fill_null("").to_list(),
        embed=lambda: embed_dataset(table, texts, encoder_settings, paths, progress),
        has_texts=any(texts) or table.has_texts(),
        has_dates=prepared.order == "time",
        columns=prepared.columns,
        collective=frozenset(prepared.collective),
        rating_scale=(prepared.rating_scale[0], prepared.rating_scale[1]) if prepared.rating_scale else None,
        earlier_fingerprints=frozenset(with_core(each, settings.k_core) for each in prepared.earlier),
        split_settings=split,
        origin={
            "data": with_relative_paths(settings, paths),
            "encoder": encoder_settings.model_dump(mode="json"),
            "split": split.model_dump(mode="json"),
            "paths": {"work_dir": str(paths.work_dir.absolute())},
        },
        **of_log,
    )
    if table.weights is not None:
        of_training = cache(lambda: weights_before_held_out(made.table, made.split, made.events))
        made.table = replace(table, read_weights=of_training)
    return made
