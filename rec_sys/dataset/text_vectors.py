"""Vectors of the texts of a data set: computed once, kept on disk, and read from there without an encoder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rec_sys.arrays import Vectors
from rec_sys.dataset.table import ReviewTable
from rec_sys.paths import Paths
from rec_sys.progress import ProgressCallback
from rec_sys.text.settings import EncoderSettings

if TYPE_CHECKING:
    from rec_sys.text.encoder import Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextVectors:
    """Vectors of all texts: float16, of unit length, zero where a text is empty; of no length at all where all are."""

    reviews: Vectors  # (num_reviews, text_dim or 0), may lie on disk
    products: Vectors  # (num_products, text_dim or 0), of the metadata's texts
    encoder: dict[str, Any]  # name, backend and fingerprint of the text encoder; the last is "" where nothing was read


def review_vectors_file(table: ReviewTable, encoder_fingerprint: str, paths: Paths) -> Path:
    """Where the vectors of all reviews of a table lie once they are computed."""
    return paths.embeddings / f"{table.fingerprint}-{encoder_fingerprint[:16]}.npy"


def stored_review_vectors(table: ReviewTable, encoder_fingerprint: str, paths: Paths) -> Vectors | None:
    """(num_reviews, text_dim) vectors that were computed before, mapped from disk; None where they are not there.

    Reading them takes neither the encoder nor torch.
    """
    file = review_vectors_file(table, encoder_fingerprint, paths)
    if not encoder_fingerprint or not file.is_file():
        return None
    vectors: Vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    return vectors if len(vectors) == len(table) else None


def _warn_of_unread(encoder: Encoder, table: ReviewTable, product_texts: list[str]) -> None:
    """Say where many texts are in a language that the encoder does not read."""
    from rec_sys.text.unread_tokens import LOOKED_AT, MUCH, unread_share

    reviews = np.unique(np.linspace(0, len(table) - 1, LOOKED_AT).astype(np.int64)) if len(table) else np.zeros(0, int)
    step = max(1, len(product_texts) // LOOKED_AT)
    for what, texts in (("reviews", table.text_of(reviews)), ("products", product_texts[::step])):
        share = unread_share(encoder.files.tokenizer, [text for text in texts if text])
        if share > MUCH:
            logger.warning(
                "%.0f %% of the tokens of the %s are unknown to %s, or single letters: their language is not read; "
                "give encoder.name= the folder of a multilingual sentence-transformers model",
                100 * share,
                what,
                encoder.settings.name,
            )


def embed_dataset(
    table: ReviewTable,
    product_texts: list[str],
    settings: EncoderSettings,
    paths: Paths,
    progress: ProgressCallback | None = None,
) -> TextVectors:
    """Vectors of all texts of reviews and products; those in the cache are not computed again.

    Args:
        table: the reviews.
        product_texts: one per product, "" where there is none.
        settings: of the encoder.
        paths: where the cache is.
        progress: told how many texts are done.

    Raises:
        EncoderError: the encoder's weights cannot be had.
    """
    with_reviews, with_products = table.has_texts(), any(product_texts)
    reviews: Vectors = np.zeros((len(table), 0), dtype=np.float16)
    products: Vectors = np.zeros((len(product_texts), 0), dtype=np.float16)
    facts = {"name": settings.name, "backend": settings.backend, "fingerprint": ""}
    if not (with_reviews or with_products):
        logger.info("texts     none, so no encoder is needed")
        return TextVectors(reviews, products, facts)
    from rec_sys.text.embeddings import embed_texts  # loads torch
    from rec_sys.text.encoder import Encoder

    encoder = Encoder(settings, paths.embeddings)
    facts |= {"backend": encoder.backend, "fingerprint": encoder.fingerprint}
    _warn_of_unread(encoder, table, product_texts)
    if with_reviews:
        out = review_vectors_file(table, encoder.fingerprint, paths)
        of_reviews = embed_texts(table.texts(), len(table), encoder, paths.embeddings, out, progress)
        reviews = of_reviews.vectors
        logger.info("reviews   %s", of_reviews)
    if with_products:
        numbered = [(np.arange(len(product_texts)), product_texts)]
        of_products = embed_texts(numbered, len(product_texts), encoder, paths.embeddings, progress=progress)
        products = of_products.vectors
        logger.info("products  %s", of_products)
    return TextVectors(reviews, products, facts)
