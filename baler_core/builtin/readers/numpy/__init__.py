"""Reads and writes NumPy's files, and Python objects as archives of arrays."""
