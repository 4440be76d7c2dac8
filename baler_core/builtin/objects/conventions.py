"""Read CF attributes of a variable: units, missing values, packing, limits, flags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def told_by_attributes(
    attributes: Mapping[Any, Any], encoding: Mapping[Any, Any], dtype: np.dtype[Any]
) -> dict[str, Any]:
    """Return the parts of `Variable` that follow; attributes of a decoded variable stand in its encoding.

    Parameters
    ----------
    dtype
        Of the values as they are in memory.
    """
    properties: dict[str, Any] = {}
    for part, key in (("units", "units"), ("label", "long_name")):
        text = attributes.get(key, "")
        if isinstance(text, str) and text:
            properties[part] = text
    if getattr(dtype, "kind", "O") not in "iuf":
        return properties
    decoded = "scale_factor" in encoding or "add_offset" in encoding
    stated = dict(attributes) if decoded else {**encoding, **attributes}
    fill = [n for key in ("_FillValue", "missing_value") for n in _numbers(stated.get(key)) if math.isfinite(n)]
    flags = _numbers(attributes.get("flag_values"))
    scale, offset = _numbers(attributes.get("scale_factor")), _numbers(attributes.get("add_offset"))
    if scale or offset:
        packing = ((scale or (1.0,))[0], (offset or (0.0,))[0])
        if packing[0] and all(map(math.isfinite, packing)):
            properties["scale"], properties["offset"] = packing
    low, high = _limits(attributes)
    if (low, high) != (-math.inf, math.inf):
        properties["limits"] = (low, high)
    return properties | ({"fill": tuple(dict.fromkeys(fill))} if fill else {}) | ({"flags": flags} if flags else {})


def _limits(attributes: Mapping[Any, Any]) -> tuple[float, float]:
    both = _numbers(attributes.get("valid_range"))
    if len(both) == 2:
        return both[0], both[1]
    low, high = _numbers(attributes.get("valid_min")), _numbers(attributes.get("valid_max"))
    return (low or (-math.inf,))[0], (high or (math.inf,))[0]


def _numbers(stated: Any) -> tuple[float, ...]:
    """Numbers of an attribute; none for text, booleans and what is absent."""
    if stated is None or isinstance(stated, str | bytes | bool | Mapping):
        return ()
    values = np.asarray(stated)
    return tuple(float(value) for value in values.reshape(-1)) if values.dtype.kind in "iuf" else ()
