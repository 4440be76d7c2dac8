"""Find what the bounds of a configuration come to for one source, with what looks like missing values kept; tell of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from baler_core.config import Config
from baler_core.data.block import Block
from baler_core.data.error_bound import ErrorBound
from baler_core.data.sentinels import Sentinel, sentinels_in
from baler_core.data.variables import Schema
from baler_core.pipeline.input import Blocks, bounds_of, first_values, kept_exact, roles_in
from baler_core.pipeline.matching import told_of, told_of_sentinels
from baler_core.pipeline.noise_bounds import with_noise
from baler_core.plugin.reading import Source

logger = logging.getLogger(__name__)


def known_bounds(
    config: Config, source: Source, blocks: Blocks, *, quiet: bool
) -> tuple[tuple[ErrorBound, ...], Mapping[str, str], Mapping[str, Sentinel]]:
    """Return the bound of each variable, which are exact in spite of a pattern and why, and what marks missing values.

    Tells what the bounds do.
    """
    schema, rules = source.schema, config.bounds
    roles = roles_in(schema, blocks.__iter__, rules)
    stated = bounds_of(schema, rules, roles)
    exact_anyway = kept_exact(schema, rules, roles)
    sentinels = sentinels_under(schema, blocks.__iter__, stated)
    for name, late in config.late_marks.items():
        sentinels[name] = sentinels[name].with_more(late) if name in sentinels else late
    noise = with_noise(schema, with_exact_sentinels(schema, stated, sentinels), blocks.__iter__, rules)
    sentinels = {name: one for name, one in sentinels.items() if noise.bounds[schema.names.index(name)].exact_at}
    only_derived = bool(config.derived) and not rules.rules
    for sentence in (
        *(told_of(schema, rules, noise.bounds, exact_anyway, source.aliases) if not only_derived else ()),
        *told_of_sentinels(_not_stated(schema, stated, sentinels)),
        *noise.told,
    ):
        logger.log(logging.DEBUG if quiet else logging.WARNING, "%s", sentence)
    return noise.bounds, exact_anyway, sentinels


def sentinels_under(
    schema: Schema, walk: Callable[[], Iterable[Block]], bounds: Sequence[ErrorBound]
) -> dict[str, Sentinel]:
    """What looks like undeclared missing values among the values of the first block of the variables that may lose something."""
    lossy = [v.name for v, bound in zip(schema.variables, bounds, strict=True) if bound.kind != "lossless"]
    return sentinels_in(schema, first_values(walk, lossy, whole=True))


def _not_stated(schema: Schema, bounds: Sequence[ErrorBound], sentinels: Mapping[str, Sentinel]) -> dict[str, Sentinel]:
    """Return the marks of missing values that the bounds do not keep anyway."""
    exact = {v.name: set(bound.exact_at) for v, bound in zip(schema.variables, bounds, strict=True)}
    return {name: one for name, one in sentinels.items() if not exact[name].issuperset(one.short(schema[name]))}


def with_exact_sentinels(
    schema: Schema, bounds: Sequence[ErrorBound], sentinels: Mapping[str, Sentinel]
) -> tuple[ErrorBound, ...]:
    """Return the bounds, under which what looks like a mark of missing values stays, and no other value becomes one."""
    return tuple(
        replace(bound, exact_at=tuple(dict.fromkeys((*bound.exact_at, *sentinels[v.name].short(v)))))
        if v.name in sentinels and bound.kind != "none"
        else bound
        for v, bound in zip(schema.variables, bounds, strict=True)
    )
