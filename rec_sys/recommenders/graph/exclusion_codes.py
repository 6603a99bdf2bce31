"""Exclusion codes: what keeps a vector search from recommending seen items.

Whatever is near to a user's reviews, the user's own products are nearest, and an inner product cannot filter them. So
each product gets one of a few codes, a coordinate of its own, and a user's vector points away from the codes of what
the user has. Products that are taken together get different codes, so that what is pushed down besides is what the user
would hardly take: a greedy graph colouring, the most reviewed product first (Welsh and Powell 1967), each taking the
code that weighs least among its neighbours.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Ints

NEWEST = 20  # reviews of a user that are paired


def assign_codes(user: Ints, product: Ints, num_products: int, num_codes: int) -> Ints:
    """Codes such that products taken by the same users differ as far as possible.

    Args:
        user: (n,) user numbers of training reviews, ascending, each user's oldest first.
        product: (n,) their product numbers.
        num_products: products of the catalogue.
        num_codes: how many there are.

    Returns:
        (num_products,) 0 to num_codes - 1; each is given to nearly equally many where neighbours leave a choice.
    """
    _, start, count = np.unique(user, return_index=True, return_counts=True)
    age = np.repeat(start + count, count) - 1 - np.arange(len(user))
    newest = age < NEWEST
    rows = (user[newest], product[newest])
    taken = sp.csr_matrix((np.ones(len(rows[0]), dtype=np.float32), rows), shape=(int(user.max()) + 1, num_products))
    taken.data[:] = 1
    reviews = np.bincount(product, minlength=num_products)
    scale = sp.diags(1 / np.sqrt(np.maximum(reviews, 1)))
    together = (scale @ (taken.T @ taken) @ scale).tocsr()  # cosine of who took them
    code = np.full(num_products, -1, dtype=np.int64)
    given = np.zeros(num_codes, dtype=np.int64)  # products by code
    for number in np.argsort(-reviews, kind="stable").tolist():
        neighbours = slice(together.indptr[number], together.indptr[number + 1])
        neighbour_code, weight = code[together.indices[neighbours]], together.data[neighbours]
        has_code = neighbour_code >= 0
        cost = np.bincount(neighbour_code[has_code], weight[has_code], minlength=num_codes)
        chosen = int(np.lexsort((given, cost))[0])
        code[number] = chosen
        given[chosen] += 1
    return code
