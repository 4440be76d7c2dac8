"""Find plugins and their components by name; report broken, clashing and misspelt ones."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Collection, Iterable, Sequence
from dataclasses import field, replace
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from baler_core.data.arithmetic import FUNCTIONS, Function
from baler_core.data.formulas import Formula
from baler_core.data.variables import Schema
from baler_core.errors import DataError, PluginError, did_you_mean
from baler_core.machine.records import dataclass
from baler_core.plugin.hooks import KINDS, Kind, named_offers, offered_by
from baler_core.plugin.interfaces import Component, Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.published import install_for, published_suffix
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Categories, Reader, TableColumn, is_marked
from baler_core.plugin.version import __version__

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

CORE, CORE_MODULE = "baler-core", "baler_core"
logger = logging.getLogger(__name__)


class PluginStatus(NamedTuple):
    """One entry point of the group `baler`, and how loading it went."""

    name: str
    package: str
    version: str
    state: Literal["loaded", "broken", "disabled"]
    problem: str = ""


class Offer(NamedTuple):
    """A component class and who offers it."""

    component: type[Component]
    package: str
    version: str


@dataclass
class Registry:
    """All components by kind and name."""

    plugins: list[PluginStatus] = field(default_factory=list)
    offers: dict[Kind, dict[str, list[Offer]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def offer_all(self, components: Iterable[tuple[Kind, type[Component]]], package: str, number: str) -> None:
        """Add components of a version of a package."""
        for kind, component in components:
            self.offers[kind].setdefault(component.name, []).append(Offer(component, package, number))

    def names(self, kind: Kind) -> list[str]:
        """Return names of all components of a kind, sorted."""
        return sorted(self.offers[kind])

    def offer(self, kind: Kind, name: str, *, package: str = "") -> Offer:
        """Who offers the component `name`.

        Parameters
        ----------
        package
            The package that a file says it came from: preferred if several offer it, to be installed if none does.

        Raises
        ------
        PluginError
            If nobody offers it, or two packages do and neither is the core, whose own names nobody can take.
        """
        found = self.offers[kind].get(name, [])
        if len(found) == 1:
            return found[0]
        for preferred in (package, CORE):
            for offer in found:
                if offer.package == preferred:
                    return offer
        if found:
            packages = " and ".join(f"{offer.package} {offer.version}" for offer in found)
            raise PluginError(
                f"the {kind} {name!r} is offered by {packages}: uninstall one of them, or disable its plugin "
                f"with BALER_DISABLE_PLUGINS"
            )
        named = "" if package == CORE else package
        raise PluginError(self._missing(kind, name, named or install_for("readers", name)))

    def _missing(self, kind: Kind, name: str, package: str) -> str:
        message = f"there is no {kind} named {name!r}. "
        message += f"Install it: pip install '{package}'" if package else did_you_mean(name, self.names(kind))
        broken = [p for p in self.plugins if p.state != "loaded"]
        if broken:
            message += (
                " (not available: " + "; ".join(f"{p.name} of {p.package}, {p.state} {p.problem}" for p in broken) + ")"
            )
        return message

    def reader(self, name: str) -> type[Reader]:
        """Return the reader class `name`."""
        return cast(type[Reader], self.offer("reader", name).component)

    def preprocessor(self, name: str) -> type[Preprocessor]:
        """Return the preprocessor class `name`."""
        return cast(type[Preprocessor], self.offer("preprocessor", name).component)

    def model(self, name: str) -> type[Model]:
        """Return the model class `name`."""
        return cast(type[Model], self.offer("model", name).component)

    def loss(self, name: str) -> type[Loss]:
        """Return the loss class `name`."""
        return cast(type[Loss], self.offer("loss", name).component)

    def metric(self, name: str) -> type[Metric]:
        """Return the metric class `name`."""
        return cast(type[Metric], self.offer("metric", name).component)

    def quantity(self, name: str) -> type[Quantity]:
        """Return the class of the function `name` of formulas."""
        return cast(type[Quantity], self.offer("quantity", name).component)

    def functions(self) -> dict[str, Function]:
        """Return what formulas of derived quantities may call: plain arithmetic, and the quantities of all plugins."""
        quantities = [self.quantity(name) for name in self.names("quantity")]
        offered = {q.name: Function(_not_alone, q.least, q.most, q.takes_names) for q in quantities}
        return {**FUNCTIONS, **offered}

    def object_kind(self, name: str, package: str = "") -> type[ObjectKind]:
        """Return the class of the kind of Python objects `name`."""
        return cast(type[ObjectKind], self.offer("object", name, package=package).component)

    def categories(self, reader: Reader, schema: Schema) -> dict[str, Categories]:
        """Return for each variable of codes what they are codes of, as its reader and its kind of objects tell."""
        found = dict(reader.categories(schema))
        if (kind := self._kind_of(reader, schema)) is not None:
            found |= kind.categories(replace(schema, skeleton=schema.skeleton["object"]))
        return found

    def nulls(self, reader: Reader, schema: Schema) -> dict[str, Sequence[str]]:
        """Return for each variable that has nulls the masks of these, as its reader and its kind of objects tell."""
        found = dict(reader.nulls(schema))
        if (kind := self._kind_of(reader, schema)) is not None:
            found |= kind.nulls(replace(schema, skeleton=schema.skeleton["object"]))
        return found

    def table_columns(self, reader: Reader, schema: Schema, names: Collection[str]) -> Sequence[TableColumn]:
        """Return the columns that tables have in place of some variables, as its reader and its kind of objects tell."""
        found = list(reader.table_columns(schema, names))
        if (kind := self._kind_of(reader, schema)) is not None:
            found += kind.table_columns(replace(schema, skeleton=schema.skeleton["object"]), names)
        return found

    def _kind_of(self, reader: Reader, schema: Schema) -> ObjectKind | None:
        """Return the kind of Python objects that a file was made of; None for one that was made of a file."""
        kind = str(schema.skeleton.get("kind"))
        if reader.name != "python" or kind not in self.offers["object"]:
            return None
        package = str(schema.skeleton.get("package", ""))
        return self.object_kind(kind, "" if package == "baler-core" else package)()

    def automatic_models(self) -> list[type[Model]]:
        """Return model classes that `model: auto` may choose from, by name."""
        offers = self.offers["model"]
        models = [self.model(name) for name in sorted(offers) if len(offers[name]) == 1 or self.hidden("model", name)]
        return [model for model in models if model.automatic]

    def hidden(self, kind: Kind, name: str) -> list[Offer]:
        """Return offers of a name that the core has itself, whose own is taken."""
        found = self.offers[kind].get(name, [])
        return [offer for offer in found if offer.package != CORE] if any(o.package == CORE for o in found) else []

    def formulas(self, names: Sequence[str]) -> list[Formula]:
        """Return what all readers guess about relations between variables of these names, without repetitions."""
        readers = [cast(type[Reader], found[0].component) for _, found in sorted(self.offers["reader"].items())]
        return list(dict.fromkeys(formula for reader in readers for formula in reader.formulas(names)))

    def reader_for(self, path: Path) -> str:
        """Name of the reader whose suffix is the longest that ends the file's name, or who knows the folder.

        Raises
        ------
        DataError
            If none or several claim it.
        """
        file_name = path.name.lower()
        claims: dict[str, list[str]] = {}
        for name, reader in self._readers().items():
            for suffix in reader.suffixes:
                if file_name.endswith(suffix):
                    claims.setdefault(suffix, []).append(name)
        # What is in a folder says more than its name.
        marked = [name for name, reader in self._readers().items() if is_marked(path, reader.folders)]
        claims = {file_name: marked} if marked else claims
        if not claims:
            raise DataError(self._no_reader(path))
        names = claims[max(claims, key=len)]
        if len(names) > 1:
            raise DataError(
                f"{path.name}: several readers take this {'folder' if marked else 'suffix'} ({', '.join(sorted(names))}): "
                f"choose one with 'reader: {{name: ...}}'"
            )
        return names[0]

    def takes_folder(self, path: Path) -> bool:
        """Return whether a folder stands for one file: by what is in it, or by the suffix of a format of folders."""
        if not path.is_dir():
            return False
        return any(
            is_marked(path, reader.folders) or (reader.folders and path.name.lower().endswith(reader.suffixes))
            for reader in self._readers().values()
        )

    def _readers(self) -> dict[str, type[Reader]]:
        """The reader class of each name, of the first who offers it."""
        return {name: cast(type[Reader], found[0].component) for name, found in self.offers["reader"].items()}

    def _no_reader(self, path: Path) -> str:
        known = sorted(suffix for reader in self._readers().values() for suffix in reader.suffixes)
        message = f"{path.name}: no reader for this suffix. Installed readers take {', '.join(known)}."
        suffix = published_suffix(path.name)
        if suffix and suffix not in known:
            return f"{message} Install the one for {suffix}: pip install '{install_for('suffixes', suffix)}'"
        return f"{message} 'reader: whole_file' keeps any file byte for byte, without a loss"


def _not_alone(*_: object) -> Any:
    """Quantities need more than the values of their arguments."""
    raise NotImplementedError


def load_plugins(
    packages: Collection[str] | None = None,
    kinds: Collection[Kind] = tuple(KINDS),
    core: Collection[tuple[Kind, str]] | None = None,
) -> Registry:
    """Load every entry point of the group `baler`, one by one under guard.

    `BALER_DISABLE_PLUGINS=a,b` leaves entry points out by name; `BALER_STRICT_PLUGINS=1` makes a broken one an error.

    Parameters
    ----------
    packages
        Only the plugins of these, and the core's: what a file needs loads faster than all that there is.
    kinds
        Only the components of these kinds.
    core
        Of the core's own, only these, by kind and name, where the core says which module each is in.

    Raises
    ------
    PluginError
        In strict mode, for the first broken plugin.
    """
    registry = Registry()
    if packages is not None and core is not None and set(packages) <= {CORE}:
        named = named_offers(import_module(f"{CORE_MODULE}.builtin"), core)
        if named is not None:  # nothing else that is installed matters
            registry.plugins.append(PluginStatus("core", CORE, __version__, "loaded"))
            registry.offer_all(named, CORE, __version__)
            return registry
    from baler_core.plugin.installed import entries

    for entry, origin in entries():
        if packages is None or origin[0] in {*packages, CORE}:
            _load(entry, origin, registry, kinds, core if origin[0] == CORE else None)
    _warn_of_hidden(registry)
    return registry


def _load(
    entry: EntryPoint,
    origin: tuple[str, str],
    registry: Registry,
    kinds: Collection[Kind],
    named: Collection[tuple[Kind, str]] | None,
) -> None:
    """Add what an entry point offers to a registry, and how loading it went.

    Parameters
    ----------
    named
        Of its components only these, where it says which module each is in.
    """
    disabled = {name.strip() for name in os.environ.get("BALER_DISABLE_PLUGINS", "").split(",")} - {"core"}
    strict = os.environ.get("BALER_STRICT_PLUGINS", "") not in ("", "0")
    status = PluginStatus(entry.name, *origin, "loaded")
    if entry.name in disabled:
        registry.plugins.append(status._replace(state="disabled"))
        return
    try:
        plugin = entry.load()
        found = None if named is None else named_offers(plugin, named)
        offered = offered_by(plugin, entry.name, tuple(kinds)) if found is None else found
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        if strict:
            raise PluginError(f"plugin {entry.name!r} of {' '.join(origin)} is broken: {problem}") from error
        registry.plugins.append(status._replace(state="broken", problem=problem))
        return
    registry.plugins.append(status)
    registry.offer_all(offered, *origin)


def plugin_at_fault(error: BaseException) -> str | None:
    """Name the plugin in whose code an exception arose, with component and version; None if it was not a plugin's.

    The innermost frame of the traceback that belongs to a plugin or to the core decides.
    """
    from baler_core.plugin.installed import entries

    origins = {entry.value.partition(":")[0].partition(".")[0]: origin for entry, origin in entries()}
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in origins:
            name, number = origins[package]
            return None if name == CORE else f"the plugin {name} {number}{_component_of(frame)}"
    return None


def _component_of(frame: FrameType) -> str:
    """The component whose method a frame runs, in parentheses; nothing if it is another's."""
    owner = frame.f_locals.get("self")
    for kind, base in KINDS.items():
        if isinstance(owner, base):
            return f" ({kind} {owner.name!r})"
    return ""


def _warn_of_hidden(registry: Registry) -> None:
    """Say which components of plugins cannot be used, since the core has the name."""
    for kind in KINDS:
        for name in registry.names(kind):
            for offer in registry.hidden(kind, name):
                logger.warning(
                    "the %s %r of %s %s is not used: %s has one of that name",
                    kind,
                    name,
                    offer.package,
                    offer.version,
                    CORE,
                )
