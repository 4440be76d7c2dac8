"""Provide learned, error-bounded compression of scientific data; plugins may import the names that `exports` lists."""

from __future__ import annotations

# As `typing` has it, which takes a while to import, as does importlib.util: a command heeds signals once this is done.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from baler_core.api.exports import *  # noqa: F403
    from baler_core.api.exports import __all__ as __all__
    from baler_core.plugin.version import __version__ as __version__


def __getattr__(name: str) -> Any:
    """What `exports` names, and the version, imported when first asked for."""
    if name == "__version__":
        from baler_core.plugin.version import __version__

        return __version__
    from importlib.util import find_spec

    # Python asks here first for modules, too, which it then imports by itself.
    if name == "__all__" or (not name.startswith("_") and find_spec(f"baler_core.{name}") is None):
        from baler_core.api import exports

        found = exports.__all__ if name == "__all__" else exports.exported(name)
        globals()[name] = found
        return found
    raise AttributeError(f"module 'baler_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is there, and what will be once it is asked for."""
    from baler_core.api import exports

    return sorted({*globals(), *exports.__all__})
