"""Parse a bound as users write it: `lossless`, `none`, or `{kind: value}` with what is to be kept beside it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

from baler_core.data.sides import exact_number
from baler_core.errors import ConfigError, did_you_mean

BoundKind = Literal[
    "abs", "rel", "range", "bits", "ulp", "decimals", "mean_abs", "mean_rel", "rms", "noise", "lossless", "none"
]
MeanKind = Literal["mean_abs", "mean_rel", "rms"]
# What may stand beside a limit on average, as the most that any value may be wrong.
HARD_KINDS: tuple[BoundKind, ...] = ("abs", "rel", "range")
Sign = Literal["auto", "keep", "free"]
NO_LIMITS = (-math.inf, math.inf)
# Further numbers make a variable exact: models tell special values apart by small numbers.
_MOST_KEPT = 50
# No number type of files holds an integer beyond; the largest float itself is a common mark of missing values.
_LARGEST = sys.float_info.max
_LIMITS = "limits are two numbers, [0, 100], or {min: 0}"


class BoundError(ConfigError):
    """What is wrong in a stated bound; `key` is the part of it that is to blame, or empty."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


def parse_bound(stated: object) -> dict[str, Any]:
    """Return the fields of an `ErrorBound` that a bound in its configuration form states; `other` as it is stated.

    The value is 0 where a formula stands for it.

    Raises
    ------
    ConfigError
        Saying what is wrong; a `BoundError` names the key.
    """
    kinds = list(get_args(BoundKind))
    if isinstance(stated, str):
        return {"kind": _word(stated, kinds)}
    if not isinstance(stated, Mapping) or not stated:
        raise ConfigError(f"a bound is written 'lossless', 'none' or {{kind: value}}, found {stated!r}")
    valued = [kind for kind in kinds if kind not in ("lossless", "none")]
    kind, value, *hard = _kinds_and_values(stated, valued)
    found: dict[str, Any] = {"kind": kind, "value": value}
    if isinstance(value, str):
        found |= {"value": 0.0, "formula": value}
    if hard:
        found["most"] = (hard[0], hard[1])
    if "else" in stated and not found.get("formula"):
        raise BoundError(
            "'else' is for values without an error of their own, beside a formula: {abs: '0.1 * e'}", "else"
        )
    found |= _beside(stated, kind)
    return found


def _word(stated: str, kinds: Sequence[str]) -> str:
    """Return a bound that is a single word."""
    if stated in ("lossless", "none"):
        return stated
    if stated in kinds:
        raise ConfigError(f"the bound {stated!r} needs a value: {{{stated}: 1.0e-3}}")
    raise ConfigError(f"unknown bound {stated!r}. {did_you_mean(stated, kinds)}")


def _beside(stated: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return what stands beside the kind and value of a bound."""
    found: dict[str, Any] = {"sign": stated.get("sign", "auto")}
    if stated.get("else") is not None:
        found["other"] = stated["else"]
    if found["sign"] not in get_args(Sign):
        raise BoundError(f"sign is 'keep' or 'free', found {found['sign']!r}", "sign")
    if "dither" in stated:
        if kind != "noise" or not isinstance(stated["dither"], bool):
            raise BoundError(
                "dither is true or false, beside a share of the noise: {noise: 0.25, dither: true}", "dither"
            )
        found["dither"] = stated["dither"]
    if "limits" in stated:
        found["limits"] = _limits(stated["limits"])
    for key in ("exact_at", "threshold"):
        if key in stated:
            found[key] = numbers_of(stated[key], key)
    return found


def _kinds_and_values(stated: Mapping[object, object], kinds: Sequence[str]) -> list[Any]:
    """Return kind and value or formula; of a limit on average, those of the hard limit behind them, if there is one."""
    known = [*kinds, "else", "limits", "sign", "exact_at", "threshold", "dither"]
    several = len(stated) > 1
    for key in stated:
        if key not in known:
            raise BoundError(f"unknown bound {key!r}. {did_you_mean(str(key), known)}", str(key) if several else "")
    found = [kind for kind in kinds if kind in stated]
    if len(found) == 2 and found[1] in get_args(MeanKind) and found[0] in HARD_KINDS:
        found.reverse()
    elif len(found) != 1:
        what = " and ".join(found) or "none"
        raise BoundError(f"a bound has one {{kind: value}}, as in {{abs: 0.01, limits: [0, 100]}}, found {what}")
    for kind in found:
        value = stated[kind]
        if kind == "abs" and isinstance(value, str) and len(found) == 1:
            return ["abs", value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BoundError(f"the bound {kind} needs a number, found {value!r}", kind if several else "")
    return [part for kind in found for part in (kind, _float(cast(float, stated[kind])))]


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
        found.append(absent if number is None else _float(number))
    if tuple(found) == NO_LIMITS:
        raise BoundError(f"{_LIMITS}; {stated!r} limits nothing", "limits")
    return found[0], found[1]


def _float(number: float) -> float:
    """Return a number as a float: infinite where it is an integer larger than any."""
    return (
        float(number)
        if abs(number) <= _LARGEST or isinstance(number, float)
        else math.copysign(math.inf, number > 0 or -1)
    )


def numbers_of(stated: object, key: str) -> tuple[float, ...]:
    """Return one number or a list of them, each once.

    Raises
    ------
    BoundError
        If there are none, too many, or others than finite numbers.
    """
    listed: list[Any] = list(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else [stated]
    for number in listed:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= _LARGEST:
            raise BoundError(f"{key} is a number, 0, or a list of them, [0, 273.15], found {number!r}", key)
    if not 0 < len(listed) <= _MOST_KEPT:
        raise BoundError(f"{key} takes 1 to {_MOST_KEPT} numbers, found {len(listed)}", key)
    return tuple(dict.fromkeys(exact_number(number) + 0 for number in listed))


def numbers_text(numbers: Sequence[float]) -> str:
    """Return numbers as a user would write them: `0`, or `[0, 273.15]`."""
    listed = ", ".join(str(number) if isinstance(number, int) else _short(number) for number in numbers)
    return listed if len(numbers) == 1 else f"[{listed}]"


def _short(number: float) -> str:
    text = f"{number:.15g}"
    return repr(number) if math.isinf(float(text)) else text  # rounded up, the largest float would be read as infinite


def limits_text(limits: tuple[float, float]) -> str:
    """Return limits as a user would write them: `[0, 100]`."""
    return "[" + ", ".join(map(_short, limits)) + "]"
