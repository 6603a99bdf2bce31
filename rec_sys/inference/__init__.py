"""The one path from reviews to recommendations."""
