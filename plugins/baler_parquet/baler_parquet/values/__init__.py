"""Values read from the file and written to it."""
