"""Every model behind one small interface, one file per algorithm."""
