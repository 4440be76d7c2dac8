"""Name HDUs and the variables in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from baler_core import DataError, did_you_mean
from baler_fits.contents.fields import Unit
from baler_fits.contents.headers import Keywords


def hdu_names(headers: Sequence[Keywords]) -> list[str]:
    """Return a name for each HDU: EXTNAME, else `hdu0`, `hdu1` ...

    Equal ones get their EXTVER behind a comma (`SCI,2`), or their number if that is not enough (`SCI,hdu5`).
    """
    plain = [keywords.text("EXTNAME").strip() or f"hdu{n}" for n, keywords in enumerate(headers)]
    shared = Counter(plain)
    versioned = [
        f"{name},{keywords.whole('EXTVER', 1)}" if shared[name] > 1 else name
        for name, keywords in zip(plain, headers, strict=True)
    ]
    repeated = Counter(versioned)
    return [
        f"{plain[n]},hdu{n}" if repeated[name] > 1 and shared[plain[n]] > 1 else name
        for n, name in enumerate(versioned)
    ]


def variable_names(hdu: str, unit: Unit, *, plain: bool = False) -> list[str]:
    """Return a name for each field of a data unit: the HDU's for an image, `EXTNAME/column` for a table.

    Parameters
    ----------
    plain
        Column names alone, where the user has chosen one HDU.
    """
    repeated = Counter(field.name for field in unit.fields)
    repeated.update(counts_name(field.name) for field in unit.fields if field.pointer is not None)
    names: list[str] = []
    for field in unit.fields:
        name = field.name
        while repeated[name] > 1 or name in names:
            name = f"{name},{field.column}"
        names.append(name)
    return [hdu if not name else name if plain else f"{hdu}/{name}" for name in names]


def counts_name(name: str) -> str:
    """Name of the variable that counts the elements of a variable-length column."""
    return f"{name}.count"


def apart(hdus: Sequence[str], units: Sequence[Unit]) -> list[str]:
    """Return the names of HDUs, with their number behind a comma where variables of two would have one name (`A/b`)."""
    taken: set[str] = set()
    names: list[str] = []
    for n, (hdu, unit) in enumerate(zip(hdus, units, strict=True)):
        while taken & set(offered_names(hdu, unit)):
            hdu = f"{hdu},hdu{n}"
        taken |= set(offered_names(hdu, unit))
        names.append(hdu)
    return names


def offered_names(hdu: str, unit: Unit, *, plain: bool = False) -> list[str]:
    """All names that a pattern may match in a data unit: its variables and the counts of variable-length columns."""
    names = variable_names(hdu, unit, plain=plain)
    jagged = [n for n, f in zip(names, unit.fields, strict=True) if f.pointer is not None and f.dtype != "bytes"]
    return names + [counts_name(name) for name in jagged]


def refuse_aliases(patterns: Sequence[str], names: Sequence[str], aliases: Mapping[str, str], file: str) -> None:
    """Complain of names that variables have elsewhere.

    Raises
    ------
    DataError
        Saying what they are called here.
    """
    for pattern in patterns:
        name = aliases.get(pattern.upper())
        if name is not None and pattern not in names:
            raise DataError(f"{file}: there is no variable {pattern!r}. It is called {name!r} here")


def chosen_hdu(wanted: int | str, names: Sequence[str], file: str) -> int:
    """Return the number of the HDU that the option `hdu` means.

    Raises
    ------
    DataError
        If there is none.
    """
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    if isinstance(wanted, int):
        raise DataError(f"{file} has no HDU {wanted}: its HDUs are 0 to {len(names) - 1} ({', '.join(names[:12])})")
    folded = [name.casefold() for name in names]
    if wanted.casefold() == "primary" and "primary" not in folded:
        return 0
    if wanted.casefold() not in folded:
        raise DataError(f"{file} has no HDU named {wanted!r}. {did_you_mean(wanted, names)}")
    return folded.index(wanted.casefold())
