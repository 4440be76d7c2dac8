"""The .bal file: sections, header and what is stored in them."""
