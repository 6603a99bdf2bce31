"""Contracts: one class of tests per interface, inherited by every implementation."""
