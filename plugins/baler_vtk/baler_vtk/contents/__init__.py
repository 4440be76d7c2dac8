"""The text of a file, and where arrays stand in it."""
