"""Ranking and rating metrics and the protocol; no model in here."""
