"""Values to integers under a tolerance and back; special values, limits and signs kept."""
