"""Look up what communities recommend for a variable: by CF standard name, by short name with units, by branch of NanoAOD."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from baler_core.data.variables import Schema, Variable
from baler_core.suggest.proposal import LOSSLESS, Proposal


def recommendation(variable: Variable, names: Collection[str], values: np.ndarray | None = None) -> Proposal | None:
    """Return the published recommendation for a variable, if there is one.

    Parameters
    ----------
    names
        Of all variables of the file, without groups.
    values
        Its first physical ones, NaN where there are none: what stands for units where these are not stated.
    """
    name = variable.name.rpartition("/")[2]
    lists = _lists()
    weather, nanoaod = lists["weather"], lists["nanoaod"]
    for entry in weather["entries"]:
        is_named = variable.standard_name in entry["standard"] or name in entry["names"]
        if is_named and _has_units(variable, entry, values):
            what = f"as recommended for {entry['like']}" if "like" in entry else "recommended"
            return Proposal(entry["bound"], f"{what} by {weather['source']}")
    if all(needed in names for needed in nanoaod["beside"]):
        _, mark, ending = name.rpartition("_")
        for entry in nanoaod["entries"]:
            if name in entry.get("names", ()) or (mark and ending in entry.get("endings", ())):
                return Proposal(entry["bound"], f"the {nanoaod['source']}")
    return None


def of_generators(schema: Schema) -> dict[str, Proposal]:
    """Return the proposals for what weights of simulated events are computed from, which stays exact as weights do."""
    listed = _lists()["generators"]
    form = re.compile("|".join(listed["names"]))
    found = [name for name in schema.names if form.fullmatch(name.rpartition("/")[2])]
    return {name: Proposal(LOSSLESS, listed["reason"]) for name in found}


def _has_units(variable: Variable, entry: Mapping[str, Any], values: np.ndarray | None) -> bool:
    """Whether a variable has the units of an entry; without units, whether its values are those of the quantity in these."""
    if variable.units.strip():
        return _plain(variable.units).lower() in [_plain(units).lower() for units in entry["units"]]
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    return (
        "from" in entry and known.size > 0 and entry["from"] <= float(known.min()) <= float(known.max()) <= entry["to"]
    )


@cache
def _lists() -> dict[str, Any]:
    text = files("baler_core.suggest").joinpath("recommended.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _plain(units: str) -> str:
    """Return units in one spelling: `m**2 s**-2`, `m^2/s^2` and `m2 s-2` are the same."""
    short = re.sub(r"\*\*|\^", "", units.strip())
    return re.sub(r"\s*/\s*([A-Za-z]+)(\d*)", lambda m: f" {m[1]}-{m[2] or 1}", short)
