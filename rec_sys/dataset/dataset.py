"""Everything a model is trained on, from one call: raw reviews, prepared, embedded, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from rec_sys import columns
from rec_sys.arrays import Vectors
from rec_sys.dataset.prepared import PreparedReviews
from rec_sys.dataset.readers.reading_settings import ReadingSettings
from rec_sys.dataset.reviews import ReadSettings, prepare_reviews
from rec_sys.dataset.sources.locate import SourceSettings, locate
from rec_sys.dataset.table import ReviewTable, load_table
from rec_sys.paths import Paths
from rec_sys.text.embeddings import embed_texts
from rec_sys.text.encoder import Encoder
from rec_sys.text.settings import EncoderSettings


class DataSettings(SourceSettings, ReadingSettings):
    """Which reviews, and how they are read."""

    k_core: int = Field(1, ge=1, description="keep people and products with at least this many reviews; 1 keeps all")


@dataclass(frozen=True)
class Data:
    """A review table with the vectors of its texts."""

    name: str
    table: ReviewTable
    # Vectors are float16, of unit length, or zero where one of the texts is empty; of no length at all where all are.
    review_text: Vectors  # (num_reviews, text_dim or 0), may lie on disk
    product_text: Vectors  # (num_products, text_dim or 0), of the metadata
    names: list[str]  # of the products; empty where none is known
    encoder: dict[str, Any]  # name, backend and fingerprint of the text encoder; "" is the last where nothing was read
    has_dates: bool = True  # timestamps are times; else places in an order, and the days between them mean nothing

    @property
    def text_dim(self) -> int:
        """Length of the texts' vectors; 0 where there is no text at all."""
        return int(max(self.review_text.shape[1], self.product_text.shape[1]))

    @property
    def has_ratings(self) -> bool:
        return not bool(np.isnan(self.table.rating).all())


def prepare_data(settings: DataSettings, paths: Paths, progress: bool = True) -> tuple[str, PreparedReviews]:
    """Find, read and check the raw reviews; returns the data set's name and the prepared folder."""
    raw = locate(settings, paths.data, progress)
    how = {name: getattr(settings, name) for name in ReadingSettings.model_fields}
    reading = ReadSettings(**how, user_ids=raw.user_ids, product_ids=raw.product_ids)
    return raw.name, prepare_reviews(raw.reviews, paths.data / "prepared", reading, raw.metadata, progress)


def load_data(settings: DataSettings, encoder_settings: EncoderSettings, paths: Paths, progress: bool = True) -> Data:
    """Read, check and embed reviews, each step only where it has not been done before.

    Raises:
        DataError: the raw file cannot be read or holds nothing usable.
        EncoderError: the encoder's weights cannot be had.
    """
    name, prepared = prepare_data(settings, paths, progress)
    if progress:
        print(prepared.describe())
    table = load_table(prepared.folder, prepared.fingerprint, settings.k_core)
    products = pl.read_parquet(prepared.folder / columns.PRODUCTS_FILE)
    of_product = pl.DataFrame({columns.PRODUCT_ID: table.products.ids}).join(
        products, on=columns.PRODUCT_ID, how="left", maintain_order="left"
    )
    names = of_product[columns.PRODUCT_NAME].fill_null("").to_list()
    texts = of_product[columns.PRODUCT_TEXT].fill_null("").to_list()
    with_reviews, with_products = table.has_texts(), any(texts)
    review_text: Vectors = np.zeros((len(table), 0), dtype=np.float16)
    product_text: Vectors = np.zeros((len(texts), 0), dtype=np.float16)
    facts = {"name": encoder_settings.name, "backend": encoder_settings.backend, "fingerprint": ""}
    said = []
    if with_reviews or with_products:
        encoder = Encoder(encoder_settings, paths.embeddings)
        facts |= {"backend": encoder.backend, "fingerprint": encoder.fingerprint}
        if with_reviews:
            out = paths.embeddings / f"{table.fingerprint}-{encoder.fingerprint[:16]}.npy"
            reviews = embed_texts(table.texts(), len(table), encoder, paths.embeddings, out, progress)
            review_text = reviews.vectors
            said.append(f"reviews   {reviews}")
        if with_products:
            of_products = embed_texts([(np.arange(len(texts)), texts)], len(texts), encoder, paths.embeddings)
            product_text = of_products.vectors
            said.append(f"products  {of_products}")
    if progress:
        print("\n".join(said) or "texts     none, so no encoder is needed")
    return Data(
        name=name,
        table=table,
        review_text=review_text,
        product_text=product_text,
        names=names,
        encoder=facts,
        has_dates=prepared.order == "time",
    )
