"""Tests of rec_sys.train."""
