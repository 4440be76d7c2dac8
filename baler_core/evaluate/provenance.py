"""Describe the origin of restored values for a report: models, components, package versions and training."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import cast

import numpy as np

from baler_core.evaluate.results import DerivedResult, GroupResult, UnheldResult, VariableResult
from baler_core.format.container import VERSION as FORMAT_VERSION
from baler_core.format.file_info import Info
from baler_core.format.header import ComponentRecord, DerivedRecord


def listed(names: Sequence[str], shown: int = 8) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def groups_of(info: Info | None, variables: Sequence[VariableResult]) -> tuple[GroupResult, ...]:
    """Return which model coded which of the compared variables."""
    if info is None:
        return ()
    header = info.header
    sizes = {v.name: v.native_bytes for v in variables}
    groups = []
    for group in header.groups:
        layout = header.layout(group, header.schema.sizes)
        models = " and ".join(model.name for model in group.models)
        names = tuple(variable.name for variable in layout.variables)
        groups.append(GroupResult(layout.name, names, models, sum(sizes.get(name, 0) for name in names)))
    return tuple(groups)


def with_unheld(results: Sequence[DerivedResult], records: Sequence[DerivedRecord]) -> tuple[DerivedResult, ...]:
    """Return derived quantities with what the `.bal` file tells of them before corrections, where it keeps the same."""
    known = {(one.name, one.formula, str(one.bound)): one for one in records}
    return tuple(
        replace(one, unheld=_unheld(record)) if (record := known.get((one.name, one.formula, one.bound))) else one
        for one in results
    )


def _unheld(record: DerivedRecord) -> UnheldResult | None:
    found = record.unheld
    if found is None:
        return None
    stated = found.stated or (None, None)
    return UnheldResult(found.cells, found.largest, found.share, record.exact, found.nbytes, *stated)


def details_of(info: Info | None) -> dict[str, str]:
    """About the .bal file and the software."""
    details: dict[str, str] = {}
    if info is not None:
        header = info.header
        records = [
            header.reader,
            *(p.component for p in header.preprocess),
            *(m for g in header.groups for m in g.models),
        ]
        details["written by"] = f"baler-core {header.version}, format version {FORMAT_VERSION}"
        details["reader"] = _component(header.reader)
        for step in header.preprocess:
            details[f"preprocessor {step.component.name}"] = f"{_component(step.component)} on {listed(step.variables)}"
        details["packages of the file"] = ", ".join(sorted({f"{r.package} {r.version}" for r in records if r.package}))
        if header.trained is not None:
            details["trained models"] = (
                f"{header.trained.name}, not counted in the ratio; SHA-256 {header.trained.sha256}"
            )
        details["blocks"] = str(len(header.blocks))
    details["evaluated with"] = (
        f"baler-core {version('baler-core')}, Python {platform.python_version()}, NumPy {np.__version__}"
    )
    return details


def _component(record: ComponentRecord) -> str:
    options = ", ".join(f"{key}: {value}" for key, value in record.options.items())
    return f"{record.name} ({options})" if options else record.name


def training_curves(histories: Mapping[str, object]) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return what models recorded while they trained, as curves of numbers per group; anything else is left out."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for group, history in histories.items():
        curves = history if isinstance(history, Mapping) else {"loss": history}
        found[group] = {
            str(name): tuple(float(value) for value in cast(Iterable[float], values))
            for name, values in curves.items()
            if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
        }
    return {group: curves for group, curves in found.items() if curves}
