"""Tests of rec_sys.modules."""
