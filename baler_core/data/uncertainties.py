"""Find the columns of errors that belong to other columns by their names, as in catalogues and event data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import numpy as np

from baler_core.data.conventions import run_together, spoken
from baler_core.machine.records import dataclass

Measure = Literal["sigma", "variance", "inverse variance"]
# Catalogues call a redshift z and its error zErr.
_ALIASES = {"z": "redshift", "redshift": "z", "mag": "magnitude", "magnitude": "mag"}
_WORD = r"(?:err|error|errs|errors|unc|uncert|uncertainty|std_?err(?:or)?|standard_error|std|stddev|sigma|precision|e)"
_SIDES = r"(?:up|down|low|high|lo|hi|lower|upper|plus|minus|min|max|pos|neg|stat|statistical|syst?|systematic|total|u|l|n|p|m)"
# `err_low` and `errlow`, and `low_err` and `lowerr`, whichever comes first; also `errn` and `errp` of the Exoplanet Archive
_SIDE = rf"_?\d*(?:_?{_SIDES})?"
# A column of this name alone holds the errors of the column before it, as in `HJD, mag, err`.
_ALONE = ("err", "error", "errs", "errors", "unc", "uncertainty", "stderr", "sigma")
_FORMS: tuple[tuple[str, Measure], ...] = (
    (r"(?P<base>.+?)_ivar", "inverse variance"),
    (r"(?P<base>.+?)_(?:variance|var)", "variance"),
    (rf"(?P<base>.+?)_{_WORD}{_SIDE}", "sigma"),
    (rf"(?P<base>.+?)_{_SIDES}_?(?:err|error|errs|errors|unc|uncertainty)", "sigma"),
    (rf"(?P<base>.+?)(?:err|error)\d*{_SIDE}", "sigma"),
    (r"(?:e|err|error|unc|uncertainty|sigma|s|d|std)_(?P<base>.+)", "sigma"),
    # SDSS psfMagErr_r beside psfMag_r, SExtractor MAGERR_AUTO beside MAG_AUTO, WISE w1sigmpro beside w1mpro
    (r"(?P<base>.+?)_?(?:err|error)(?P<rest>_.+)", "sigma"),
    (r"(?P<base>w\d)sig(?P<rest>m.+)", "sigma"),
)


@dataclass(frozen=True)
class Errors:
    """A variable that holds errors of another."""

    name: str
    measure: Measure

    def sizes(self, values: np.ndarray) -> np.ndarray:
        """Return positive finite errors (float64, 1-D) from the values of the variable, of any shape."""
        with np.errstate(all="ignore"):
            sizes = np.abs(values.astype(np.float64).ravel())
            if self.measure != "sigma":
                sizes = np.sqrt(sizes) if self.measure == "variance" else 1 / np.sqrt(sizes)
        return np.asarray(sizes[np.isfinite(sizes) & (sizes > 0)])


def errors_beside(names: Iterable[str]) -> dict[str, list[Errors]]:
    """Return the variables that hold errors of each variable that has such, all of one group (`STARS/`, `Jet_`)."""
    names = list(names)
    known: dict[tuple[str, str], str] = {}
    for name in names:
        for form in {spoken(name), run_together(name)}:
            known.setdefault((_group(name), form), name)
    found: dict[str, list[Errors]] = {}
    for before, name in zip(["", *names], names, strict=False):
        owner = _owner(name, known)
        if owner is None and before and run_together(name) in _ALONE and _group(before) == _group(name):
            owner = before, "sigma"
        if owner is not None:
            measured, measure = owner
            found.setdefault(measured, []).append(Errors(name, measure))
    # Argo: TEMP as it was measured is no better known than TEMP_ADJUSTED.
    for name in list(found):
        raw = re.sub(r"(?i)_adjusted$", "", name)
        if raw in names and raw not in found:
            found[raw] = found[name]
    return found


def _owner(name: str, known: dict[tuple[str, str], str]) -> tuple[str, Measure] | None:
    """Return the variable whose errors `name` holds, by its name, if it exists."""
    for form in (spoken(name), run_together(name)):
        for pattern, measure in _FORMS:
            match = re.fullmatch(pattern, form)
            base = match["base"] + match.groupdict().get("rest", "") if match is not None else ""
            for candidate in (base, _ALIASES.get(base, "")):
                measured = known.get((_group(name), candidate)) if candidate else None
                if measured is not None and measured != name:
                    return measured, measure
    return None


def _group(name: str) -> str:
    """What stands before the name itself: the group or object it lies in."""
    inner = name.rpartition("/")
    head, dot, _ = re.sub(r"\[.*", "", inner[2]).rpartition(".")
    return f"{inner[0]}/{head}{dot}"
