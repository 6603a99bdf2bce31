"""From raw file to rows: formats, column names, rejected rows."""
