"""What a data set shows before any model is fitted: activity, funnel, spread, cold start, changes."""
