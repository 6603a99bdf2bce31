"""Colours: what keeps a vector search from recommending what somebody has already.

Whatever is near to a person's reviews, their own products are nearest, and an inner product cannot leave them out.
So each product gets one of a few colours, a coordinate of its own; a person's vector points away from the colours of
what they own. Products that are taken together get different colours, as neighbours on a map do, so what is pushed away
besides is what the person would hardly take. Greedy, the most reviewed product first (Welsh and Powell 1967), each one
taking the colour that weighs least among its neighbours.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from rec_sys.arrays import Ints

NEWEST = 20  # reviews of a person that are paired


def assign_codes(user: Ints, product: Ints, num_products: int, num_codes: int) -> Ints:
    """Colours such that products taken by the same people differ as far as possible.

    Args:
        user: (n,) user numbers of training reviews, ascending, each person's oldest first.
        product: (n,) their product numbers.
        num_products: products of the catalogue.
        colours: how many there are.

    Returns:
        (num_products,) 0 to colours - 1; each is borne by nearly equally many where neighbours leave a choice.
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
    borne = np.zeros(num_codes, dtype=np.int64)
    for number in np.argsort(-reviews, kind="stable").tolist():
        part = slice(together.indptr[number], together.indptr[number + 1])
        neighbour_code, weight = code[together.indices[part]], together.data[part]
        has_code = neighbour_code >= 0
        cost = np.bincount(neighbour_code[has_code], weight[has_code], minlength=num_codes)
        chosen = int(np.lexsort((borne, cost))[0])
        code[number] = chosen
        borne[chosen] += 1
    return code
