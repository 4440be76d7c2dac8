"""The baler plugin for ROOT files and particle-physics metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baler_core import Metric, ObjectKind, Quantity, Reader, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB") -> Any:
    """Open a `.bal` file of a ROOT file, to be read as uproot's: `open("jets.bal")["Events"].arrays(["Jet_pt"])`.

    See `baler_root.opened.open`.
    """
    from baler_root.opened import open as opened

    return opened(path, trained=trained, cache=cache)


def iterate(files: Any, expressions: Any = None, cut: str | None = None, **options: Any) -> Iterator[Any]:
    """Return parts of the entries of many files: `iterate("run*.bal:Events", ["Jet_pt"], step_size="100 MB")`.

    See `baler_root.opened_many.iterate`.
    """
    from baler_root.opened_many import iterate as parts

    return parts(files, expressions, cut, **options)


def concatenate(files: Any, expressions: Any = None, cut: str | None = None, **options: Any) -> Any:
    """Return the entries of many files as one array: `concatenate("run*.bal:Events", ["Jet_pt"])`.

    See `baler_root.opened_many.concatenate`.
    """
    from baler_root.opened_many import concatenate as joined

    return joined(files, expressions, cut, **options)


def uproot_options() -> dict[str, Any]:
    """Return options with which uproot opens .bal files, and what opens files by it: `uproot.open("a.bal", **uproot_options())`.

    coffea takes them too: `Runner(...)(fileset, processor, uproot_options=uproot_options())`. See
    `baler_root.opened_by_uproot`.
    """
    from baler_root.opened_by_uproot import options

    return options()


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the reader `root`."""
    from baler_root.reader import RootReader

    return [RootReader]


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """Return masses of pairs, and sums per event."""
    from baler_root.metrics.masses import PairMass
    from baler_root.metrics.sums import EventSums

    return [EventSums, PairMass]


@hookimpl
def baler_quantities() -> list[type[Quantity]]:
    """Return masses of pairs, and sums of transverse momenta."""
    from baler_root.quantities.pairs import LeadingMass, PairMasses
    from baler_root.quantities.sums import HT, MET

    return [HT, MET, LeadingMass, PairMasses]


@hookimpl
def baler_objects() -> list[type[ObjectKind]]:
    """Return arrays of awkward."""
    from baler_root.objects.awkward_arrays import AwkwardArrays

    return [AwkwardArrays]
