"""Define the .bal file: sections, header and their contents."""
