"""Name the efforts that may be made for a smaller file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

Effort = Literal["fast", "balanced", "max"]


class StatedEffort(NamedTuple):
    """The options of a component of which a file states the effort alone: restoring needs no others, and no pydantic."""

    effort: Effort

    @classmethod
    def of(cls, options: Mapping[str, object]) -> StatedEffort | None:
        """Return the effort that options state if it is one, and all that they state."""
        known = {name: cls(name) for name in get_args(Effort)}
        return known.get(str(options["effort"])) if options.keys() == {"effort"} else None
