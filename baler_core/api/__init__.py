"""Offer the Python interface: `compress`, `train`, `decompress` and `open`."""
