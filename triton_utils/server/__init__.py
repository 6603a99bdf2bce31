"""A tritonserver process on this machine."""
