"""Files of reviews changed in the ways in which real files differ, each with the table that must come out of it."""
