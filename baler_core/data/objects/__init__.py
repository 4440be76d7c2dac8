"""Convert Python objects (arrays, datasets, tables) to schema, values and a skeleton that rebuilds them, and back."""

from __future__ import annotations

from baler_core.data.objects.columns import Columns, Form, rebuild
from baler_core.data.objects.json_values import packed, unpacked

__all__ = ["Columns", "Form", "packed", "rebuild", "unpacked"]
