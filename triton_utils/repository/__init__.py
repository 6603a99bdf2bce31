"""The Triton model repository: its versions, and how one is built."""
