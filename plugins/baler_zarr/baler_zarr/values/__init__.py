"""Values read from the store and written to it."""
