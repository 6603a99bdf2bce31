"""From raw reviews to a graph: reviews, table, splits, embeddings, graphs."""
