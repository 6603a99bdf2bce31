"""Forecasts of sales: what will be sold in the next weeks, by a learned model beside the classical ones."""
