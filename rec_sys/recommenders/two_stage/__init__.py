"""Two stages: candidates from several sources, then a ranker that is learned on later events."""
