"""The graph model: networks, item factors, cold start, training, checkpoint, recommender."""
