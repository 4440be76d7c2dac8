"""Call the hooks of a plugin, one per kind of component, and check what they return."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeVar

from baler_core.errors import PluginError, did_you_mean
from baler_core.plugin.interfaces import Component, Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Reader

Kind = Literal["reader", "preprocessor", "model", "loss", "metric", "quantity", "object"]
KINDS: dict[Kind, type[Component]] = {
    "reader": Reader,
    "preprocessor": Preprocessor,
    "model": Model,
    "loss": Loss,
    "metric": Metric,
    "quantity": Quantity,
    "object": ObjectKind,
}
Offers = tuple[tuple[Kind, type[Component]], ...]
ComponentClass = TypeVar("ComponentClass", bound=Component)


def offered_by(plugin: Any, name: str, kinds: tuple[Kind, ...]) -> Offers:
    """Return what the hooks of a plugin offer, which those of a module are asked for once.

    Raises
    ------
    PluginError
        If there is no such hook, or it returns no components.
    """
    return _module_offers(plugin, name, kinds) if isinstance(plugin, ModuleType) else _call_hooks(plugin, name, kinds)


# Python keeps a module for as long as the process lives, and so what its hooks returned, which depends on nothing else: asking
# again takes 2.6 ms, as long as compressing a small array. Other objects may be unhashable, or change.
@lru_cache(maxsize=256)
def _module_offers(plugin: ModuleType, name: str, kinds: tuple[Kind, ...]) -> Offers:
    return _call_hooks(plugin, name, kinds)


def _call_hooks(plugin: Any, name: str, kinds: tuple[Kind, ...]) -> Offers:
    """Call the hooks of a plugin, or of the module that it names in its place, and check what they return."""
    import pluggy

    from baler_core.plugin import hookspecs

    plugin = import_module(plugin.HOOKS) if isinstance(getattr(plugin, "HOOKS", None), str) else plugin
    manager = pluggy.PluginManager("baler")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    _refuse_misspelt(plugin)
    manager.check_pending()
    offered: list[tuple[Kind, type[Component]]] = []
    for kind in kinds:
        base = KINDS[kind]
        for classes in getattr(manager.hook, f"baler_{_plural(kind)}")():
            offered.extend((kind, _checked(component, kind, base)) for component in classes)
    return tuple(offered)


def named_offers(plugin: Any, wanted: Collection[tuple[Kind, str]]) -> Offers | None:
    """Import some components of the core, without those beside them; None if it does not say where they are.

    They are not checked, as those of plugins are.
    """
    places: dict[str, dict[str, str]] = getattr(plugin, "PLACES", {})
    if any(name not in places.get(kind, {}) for kind, name in wanted):
        return None
    return tuple((kind, plugin.component_at(places[kind][name])) for kind, name in wanted)


def _plural(kind: Kind) -> str:
    return {"loss": "losses", "quantity": "quantities"}.get(kind, f"{kind}s")


def _refuse_misspelt(plugin: object) -> None:
    """Functions named like a hook that no hook has: forgotten markers and typing mistakes."""
    hooks = [f"baler_{_plural(kind)}" for kind in KINDS]
    for name in vars(plugin):
        value = getattr(plugin, name)
        if not name.startswith("baler_") or not callable(value) or isinstance(value, type):
            continue
        if name not in hooks:
            raise PluginError(f"{name!r} is not a hook. {did_you_mean(name, hooks)}")
        if not hasattr(value, "baler_impl"):
            raise PluginError(f"{name!r} lacks the marker @hookimpl (from baler_core)")


def _checked(component: Any, kind: Kind, base: type[ComponentClass]) -> type[ComponentClass]:
    """A class as a hook must return it."""
    if not (isinstance(component, type) and issubclass(component, base)):
        raise PluginError(f"{component!r} is not a subclass of baler_core.{base.__name__}")
    if not isinstance(getattr(component, "name", None), str) or not component.name:
        raise PluginError(f"the {kind} class {component.__name__} has no name")
    missing: Iterable[str] = getattr(component, "__abstractmethods__", frozenset())
    if missing:
        raise PluginError(f"the {kind} class {component.__name__} lacks {', '.join(sorted(missing))}")
    if issubclass(component, Model):
        check_signatures(component)
    return component


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
