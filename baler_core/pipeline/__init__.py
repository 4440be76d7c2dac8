"""A file to blocks, blocks to a .bal file, and back."""
