"""Name the efforts that may be made for a smaller file."""

from __future__ import annotations

from typing import Literal

Effort = Literal["fast", "balanced", "max"]
