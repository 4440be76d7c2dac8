"""Finds columns that follow from others, and codes only what is left of them."""
