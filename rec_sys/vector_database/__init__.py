"""Product vectors in FAISS, with their ids and where they come from."""
