"""Define the options of the models of fields."""

from __future__ import annotations

from pydantic import Field

from baler_core.plugin.effort import Effort
from baler_core.plugin.options import Options


class FieldOptions(Options):
    """Options of the models of fields."""

    effort: Effort = Field(default="max", description="How hard to try for few bytes, against time.")
