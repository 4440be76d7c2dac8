"""Import the class of a component's options when it is asked for: pydantic, which checks them, takes long to load."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def options_at(place: str) -> Any:
    """Return what stands for `Options` in a component whose options are rarely stated in files: restoring needs none then.

    Parameters
    ----------
    place
        `module:Class`.
    """
    return _Late(place)


class _Late:
    """An attribute of a class whose value is imported."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __get__(self, instance: object, owner: type) -> Any:
        module, _, name = self._place.partition(":")
        return getattr(import_module(module), name)
