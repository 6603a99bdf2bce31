"""The review graph: people, products and one edge per review that may be learned from.

Product texts come from the metadata; the encoder's dimension is written `text_dim`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rec_sys import columns
from rec_sys.arrays import Ints, Vectors
from rec_sys.dataset.table import ReviewTable


def review_graph(table: ReviewTable, reviews: Ints, review_text: Vectors, product_text: Vectors) -> HeteroData:
    """Build the graph of some reviews.

    Args:
        table: the reviews.
        reviews: (num_edges,) ascending review numbers that become edges; nothing else of the table is looked at.
        review_text: (num_reviews, text_dim) embeddings of all texts of the table, zero where there is no text.
        product_text: (num_products, text_dim) embeddings of the metadata's texts, zero where there is none.

    Returns:
        `data["product"].x`: (num_products, text_dim);
        `data["user", "reviews", "product"]`: `edge_index` (2, num_edges) in the order of `reviews`, `text`
        (num_edges, text_dim), `rating` (num_edges,) with nan where unknown, `time` (num_edges,) in seconds.
    """
    data = HeteroData()
    data[columns.USER].num_nodes = table.num_users
    data[columns.PRODUCT].num_nodes = table.num_products
    data[columns.PRODUCT].x = torch.from_numpy(np.asarray(product_text, dtype=np.float32))
    edge_index = torch.from_numpy(np.stack([table.user[reviews], table.product[reviews]]))
    edges = data[columns.REVIEWS]
    edges.edge_index = edge_index
    edges.text = torch.from_numpy(np.asarray(review_text[reviews], dtype=np.float32))
    edges.rating = torch.from_numpy(table.rating[reviews])
    edges.time = torch.from_numpy(table.timestamp[reviews])
    return data


def edges_of(user: Tensor, users: Tensor) -> Tensor:
    """Numbers of the edges of some users.

    Args:
        user: (num_edges,) the author of each edge, ascending.
        users: (num_users,) user numbers.
    """
    start, stop = torch.searchsorted(user, users), torch.searchsorted(user, users, right=True)
    length = stop - start
    first = torch.cumsum(length, 0) - length
    return torch.arange(int(length.sum()), device=user.device) + torch.repeat_interleave(start - first, length)
