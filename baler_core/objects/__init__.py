"""Python objects (arrays, datasets, tables) → schema, values and a skeleton that rebuilds them, and back."""

from __future__ import annotations

from baler_core.objects.columns import Columns, Form, rebuild
from baler_core.objects.json_values import packed, unpacked
from baler_core.objects.kind import ObjectKind
from baler_core.objects.source import ArraySource

__all__ = ["ArraySource", "Columns", "Form", "ObjectKind", "packed", "rebuild", "unpacked"]
