"""Where raw files come from: found, downloaded, generated."""
