"""Define the options of the `table` model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from baler_core.builtin.models.table.effort import DEFAULT
from baler_core.plugin.effort import Effort
from baler_core.plugin.options import Options


class TableOptions(Options):
    """Options of the `table` model."""

    effort: Effort = Field(default=DEFAULT, description="Speed against size.")
    network: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="A small network per column: `auto` trains and keeps those that pay, `on` keeps all, `off` none.",
    )
