"""Look up what communities recommend for a variable: by CF standard name, by short name with units, by branch of NanoAOD."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from baler_core.data.variables import Variable
from baler_core.suggest.proposal import Proposal


def recommendation(variable: Variable, names: Collection[str]) -> Proposal | None:
    """Return the published recommendation for a variable, if there is one.

    Parameters
    ----------
    names
        Of all variables of the file, without groups.
    """
    name = variable.name.rpartition("/")[2]
    lists = _lists()
    weather, nanoaod = lists["weather"], lists["nanoaod"]
    for entry in weather["entries"]:
        is_named = variable.standard_name in entry["standard"] or name in entry["names"]
        if is_named and _plain(variable.units) in [_plain(units) for units in entry["units"]]:
            return Proposal(entry["bound"], f"recommended by {weather['source']}")
    if all(needed in names for needed in nanoaod["beside"]):
        _, mark, ending = name.rpartition("_")
        for entry in nanoaod["entries"]:
            if name in entry.get("names", ()) or (mark and ending in entry.get("endings", ())):
                return Proposal(entry["bound"], f"the {nanoaod['source']}")
    return None


@cache
def _lists() -> dict[str, Any]:
    text = files("baler_core.suggest").joinpath("recommended.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _plain(units: str) -> str:
    """Return units in one spelling: `m**2 s**-2`, `m^2/s^2` and `m2 s-2` are the same."""
    short = re.sub(r"\*\*|\^", "", units.strip())
    return re.sub(r"\s*/\s*([A-Za-z]+)(\d*)", lambda m: f" {m[1]}-{m[2] or 1}", short)
