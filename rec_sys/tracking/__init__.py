"""MLflow runs, and the time and memory that work takes."""
