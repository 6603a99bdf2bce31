"""Speed, memory and quality, measured side by side; each module prints a table and writes a JSON file."""
