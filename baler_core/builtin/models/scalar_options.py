"""Define the options of the `scalar` model."""

from __future__ import annotations

from pydantic import Field

from baler_core.plugin.effort import Effort
from baler_core.plugin.options import Options


class ScalarOptions(Options):
    """Options of the `scalar` model."""

    effort: Effort = Field(default="max", description="How hard to try for few bytes, against time.")
