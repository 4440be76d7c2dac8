"""Refuse models whose methods do not accept the arguments of the core, as those of an earlier version."""

from __future__ import annotations

import inspect

from baler_core.errors import PluginError
from baler_core.plugin.interfaces import Model

# How the core calls each method: by position, and by keyword.
_CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fit": (("blocks",), ("layout", "tolerances", "training", "hints", "plan")),
    "estimate": (("block", "layout", "tolerances"), ("hints",)),
    "encode": (("block", "layout", "tolerances"), ("hints", "plan")),
    "decode": (("streams", "layout", "tolerances"), ()),
    "load_state": (("state",), ()),
}


def check_signatures(kind: type[Model]) -> None:
    """Compare the methods of a model class with the calls of the core.

    Raises
    ------
    PluginError
        Naming the model, the method, and how it is to be written.
    """
    for method, (positional, keywords) in _CALLS.items():
        found = inspect.signature(getattr(kind, method))
        try:
            found.bind(kind, *positional, **dict.fromkeys(keywords))
        except TypeError as error:
            wanted = ", ".join(("self", *positional, *(("*", *keywords) if keywords else ())))
            raise PluginError(
                f"the model {kind.name!r} does not fit this version of baler-core: {kind.__name__} has "
                f"{method}{found} and needs {method}({wanted})"
            ) from error
