"""List published plugins: the package to install for a file, a reader or a Python object."""

from __future__ import annotations

import json
from typing import Any, Literal


def install_for(kind: Literal["readers", "suffixes", "libraries"], name: str) -> str:
    """Look up what to install in `published.json`.

    Parameters
    ----------
    kind, name
        The name of a reader, the suffix of a file (lower-case, with the dot), or the library an object comes from.

    Returns
    -------
    What `pip install` takes, such as `baler-core[hep]`; empty if no published plugin is known for it.
    """
    return next((str(plugin["install"]) for plugin in _published() if name in plugin[kind]), "")


def published_suffix(file_name: str) -> str:
    """Find the longest suffix of a file name that a published plugin takes; empty if there is none."""
    suffixes = [
        suffix for plugin in _published() for suffix in plugin["suffixes"] if file_name.lower().endswith(suffix)
    ]
    return max(suffixes, key=len, default="")


def _published() -> list[dict[str, Any]]:
    """Read the list: for each plugin what to install, and the readers, suffixes and libraries it is for."""
    from importlib.resources import files

    listed: list[dict[str, Any]] = json.loads(files("baler_core.plugin").joinpath("published.json").read_text("utf-8"))
    return listed
