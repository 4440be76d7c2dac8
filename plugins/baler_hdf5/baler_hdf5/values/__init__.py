"""Values in and out of the file."""
