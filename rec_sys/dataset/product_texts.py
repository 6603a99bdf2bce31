"""Texts that stand for products: their own, or what their reviews say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.splits import Split
from rec_sys.dataset.table import ReviewTable
from rec_sys.errors import DataError

AT_ONCE = 65_536  # reviews whose vectors are in memory at once


@dataclass(frozen=True)
class ProductDescriptions:
    """What a model may know of new products, and what it is judged by."""

    product_text: Vectors  # (num_products, text_dim) of all products; zero where nothing describes one
    targets: Ints  # (num_targets,) review numbers of new products, ascending; none that a description was made of


def describe_held_out_products(
    table: ReviewTable, split: Split, review_text: Vectors, product_text: Vectors
) -> ProductDescriptions:
    """Describe each new product without a text of its own by its first three reviews in time.

    These reviews are then never judged, and nothing else of a new product's reviews is looked at.

    Args:
        table: the reviews.
        split: with new products.
        review_text: (num_reviews, text_dim) vectors; zero where a review has no text.
        product_text: (num_products, text_dim) vectors of the metadata's texts; zero where there is none. Left as it is.

    Returns:
        The texts with the descriptions added, unit vectors in the type of `product_text`.

    Raises:
        DataError: no review is left to evaluate on.
    """
    new = np.unique(table.product[split.support])
    undescribed = np.zeros(table.num_products, dtype=bool)
    undescribed[new] = ~np.asarray(product_text[new], dtype=bool).any(axis=1)
    support_reviews = split.support[undescribed[table.product[split.support]]]
    text = with_texts_from(table, support_reviews, review_text, product_text)
    targets = np.setdiff1d(split.held_out_products, support_reviews)
    if len(split.held_out_products) and not len(targets):
        raise DataError(
            f"none of {len(split.held_out_products):,} reviews of {len(new):,} held-out products is left to evaluate "
            f"on: they have no text of their own and are described by their first reviews; give metadata or more "
            f"split.held_out_products"
        )
    return ProductDescriptions(text, targets)


def with_texts_from(table: ReviewTable, reviews: Ints, review_text: Vectors, product_text: Vectors) -> Vectors:
    """Product texts in which each product that has none gets the mean of those of the given reviews that are its own.

    Returns:
        (num_products, text_dim) in the type of `product_text`: its own rows, unit vectors added, zero where no review
        says anything.
    """
    if not review_text.shape[1]:  # nothing was written
        return product_text
    import scipy.sparse as sp  # takes a third of a second, which commands without texts need not spend

    described = bool(product_text.shape[1])
    filled = (
        np.array(product_text) if described else np.zeros((table.num_products, review_text.shape[1]), review_text.dtype)
    )
    sums = np.zeros(filled.shape, dtype=np.float32)
    for start in range(0, len(reviews), AT_ONCE):
        part = reviews[start : start + AT_ONCE]
        ones = np.ones(len(part), dtype=np.float32)
        shape = (table.num_products, len(part))
        of_product = sp.csr_matrix((ones, (table.product[part], np.arange(len(part)))), shape=shape)
        sums += of_product @ np.asarray(review_text[part], dtype=np.float32)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    unit = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)  # of the mean as of the sum
    without = ~filled.astype(bool).any(axis=1)
    filled[without] = unit[without]
    return filled
