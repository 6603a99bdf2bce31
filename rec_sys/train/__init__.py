"""Training: the Lightning task, tracking, the main command."""
