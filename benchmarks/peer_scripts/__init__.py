"""One script per library, each run in an environment of its own, and what they share: NumPy alone."""
