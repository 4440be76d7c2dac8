"""Parse a bound as users write it: `lossless`, `none`, or `{kind: value}` with `else`, `limits` and `sign`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, cast, get_args

from baler_core.errors import ConfigError, did_you_mean

BoundKind = Literal["abs", "rel", "range", "bits", "lossless", "none"]
Sign = Literal["auto", "keep", "free"]
NO_LIMITS = (-math.inf, math.inf)
_LIMITS = "limits are two numbers, [0, 100], or {min: 0}"


class BoundError(ConfigError):
    """What is wrong in a stated bound; `key` is the part of it that is to blame, or empty."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


def parse_bound(stated: object) -> tuple[BoundKind, float, tuple[float, float], Sign, str, object]:
    """Return kind, value, limits, sign, formula and what `else` holds of a bound in its configuration form.

    The value is 0 where a formula stands for it; `else` is None where nothing is said.

    Raises
    ------
    ConfigError
        Saying what is wrong; a `BoundError` names the key.
    """
    kinds = list(get_args(BoundKind))
    if isinstance(stated, str):
        if stated in ("lossless", "none"):
            return cast(BoundKind, stated), 0.0, NO_LIMITS, "auto", "", None
        if stated in kinds:
            raise ConfigError(f"the bound {stated!r} needs a value: {{{stated}: 1.0e-3}}")
        raise ConfigError(f"unknown bound {stated!r}. {did_you_mean(stated, kinds)}")
    if not isinstance(stated, Mapping) or not stated:
        raise ConfigError(f"a bound is written 'lossless', 'none' or {{kind: value}}, found {stated!r}")
    valued = [kind for kind in kinds if kind not in ("lossless", "none")]
    kind, value, formula = _kind_and_value(stated, valued)
    if "else" in stated and not formula:
        raise BoundError(
            "'else' is for values without an error of their own, beside a formula: {abs: '0.1 * e'}", "else"
        )
    sign = stated.get("sign", "auto")
    if sign not in get_args(Sign):
        raise BoundError(f"sign is 'keep' or 'free', found {sign!r}", "sign")
    limits = _limits(stated["limits"]) if "limits" in stated else NO_LIMITS
    return kind, value, limits, cast(Sign, sign), formula, stated.get("else")


def _kind_and_value(stated: Mapping[object, object], kinds: Sequence[str]) -> tuple[BoundKind, float, str]:
    known = [*kinds, "else", "limits", "sign"]
    several = len(stated) > 1
    for key in stated:
        if key not in known:
            raise BoundError(f"unknown bound {key!r}. {did_you_mean(str(key), known)}", str(key) if several else "")
    found = [kind for kind in kinds if kind in stated]
    if len(found) != 1:
        what = " and ".join(found) or "none"
        raise BoundError(f"a bound has one {{kind: value}}, as in {{abs: 0.01, limits: [0, 100]}}, found {what}")
    value = stated[found[0]]
    if found[0] == "abs" and isinstance(value, str):
        return "abs", 0.0, value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BoundError(f"the bound {found[0]} needs a number, found {value!r}", found[0] if several else "")
    return cast(BoundKind, found[0]), float(value), ""


def _limits(stated: object) -> tuple[float, float]:
    """Limits from `[low, high]`, or a mapping with `min`, `max` or both; null stands for no limit."""
    if isinstance(stated, Mapping):
        for key in stated:
            if key not in ("min", "max"):
                raise BoundError(f"{_LIMITS}: unknown key {key!r}. {did_you_mean(str(key), ['min', 'max'])}", "limits")
        pair = [stated.get("min"), stated.get("max")]
    elif isinstance(stated, Sequence) and not isinstance(stated, str) and len(stated) == 2:
        pair = list(stated)
    else:
        raise BoundError(f"{_LIMITS}, found {stated!r}", "limits")
    found = []
    for number, absent in zip(pair, NO_LIMITS, strict=True):
        if isinstance(number, bool) or not isinstance(number, int | float | None) or number != number:
            raise BoundError(f"{_LIMITS}, found {number!r} among them", "limits")
        found.append(absent if number is None else float(number))
    if tuple(found) == NO_LIMITS:
        raise BoundError(f"{_LIMITS}; {stated!r} limits nothing", "limits")
    return found[0], found[1]


def limits_text(limits: tuple[float, float]) -> str:
    """Return limits as a user would write them: `[0, 100]`."""
    return "[" + ", ".join(f"{limit:.15g}" for limit in limits) + "]"
