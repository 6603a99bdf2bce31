"""A graph-neural-network recommender over product reviews."""
