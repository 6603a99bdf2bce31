"""Speed, memory and quality, measured side by side; each module prints a table and writes a JSON file."""

import rec_sys.command  # noqa: F401  silences what torch_geometric says at import
