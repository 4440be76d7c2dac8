"""Offer the Python interface: `compress`, `train`, `decompress` and `open`."""

from __future__ import annotations

from baler_core.api.calls import compress, decompress, open, train

__all__ = ["compress", "decompress", "open", "train"]
