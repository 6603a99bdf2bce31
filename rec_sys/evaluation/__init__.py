"""Ranking and rating metrics, the protocol, the report."""
