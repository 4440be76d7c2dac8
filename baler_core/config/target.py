"""Parse the `target` section, and collect its problems and those of the bounds that it multiplies."""

from __future__ import annotations

from typing import Any

from baler_core.config.bound_rules import Complain
from baler_core.config.schema import parse_size
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.targets import TARGET_KINDS, Target, unsuited
from baler_core.errors import ConfigError, did_you_mean

_FORM = "a target is {ratio: 20}, {bits: 3}, {size: 2 GB} or {psnr: 80}"
WITHOUT_BOUNDS = BoundRules((("*", ErrorBound("range", 1e-3)),))
"""What a target multiplies where no bounds are stated: all that is measured loses the same share of its range."""


def parse_target(stated: Any, bounds: BoundRules, complain: Complain) -> Target | None:
    """Return a target from its configuration form; None for none, and where it is wrong.

    Parameters
    ----------
    bounds
        Those of the same configuration.
    complain
        Called with the place of a problem in the configuration, and a message.
    """
    if stated is None:
        return None
    target = _target(stated, complain)
    for pattern, message in unsuited(bounds) if target is not None and target.kind != "psnr" else ():
        complain(("bounds", pattern), message)
    if bounds.rules and all(bound.kind == "lossless" for _, bound in bounds.rules):
        complain(
            ("target",), "all bounds are lossless: state one that may be multiplied, such as '\"*\": {range: 1.0e-3}'"
        )
    return target


def _target(stated: Any, complain: Complain) -> Target | None:
    if not isinstance(stated, dict) or len(stated) != 1:
        complain(("target",), f"{_FORM}, found {stated!r}")
        return None
    ((kind, value),) = stated.items()
    if kind not in TARGET_KINDS:
        complain(("target",), f"{_FORM}: unknown target {kind!r}. {did_you_mean(str(kind), TARGET_KINDS)}")
        return None
    try:
        number = parse_size(value) if kind == "size" else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ConfigError(f"{_FORM}: {kind} needs a number, found {value!r}")
        return Target(kind, float(number))
    except (ConfigError, ValueError) as error:
        complain(("target", kind), str(error))
        return None
