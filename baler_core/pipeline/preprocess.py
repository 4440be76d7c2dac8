"""Applies the configured preprocessors, in order before the model and in reverse after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.patterns import name_matches
from baler_core.data.variables import Layout, Variable
from baler_core.errors import PluginError
from baler_core.plugin.interfaces import Preprocessor


class Step(NamedTuple):
    """A preprocessor, and the patterns of the variables it is applied to."""

    preprocessor: Preprocessor
    patterns: tuple[str, ...]

    def applies(self, name: str) -> bool:
        """Whether the variable `name` is one of them."""
        return any(name_matches(name, pattern) for pattern in self.patterns)


class Pipeline:
    """Preprocessors one after the other; variables that none applies to, and non-numeric ones, pass untouched.

    So do the variables named in `exact`: a change of variables would cost them their exactness.
    """

    def __init__(self, steps: Sequence[Step] = (), exact: Iterable[str] = ()) -> None:
        self.steps = tuple(steps)
        self._exact = frozenset(exact)

    def fit(self, block: Block) -> None:
        """Let each preprocessor learn from the block as it will see it."""
        for step in self.steps:
            part = self._part(block, step)
            if part is not None:
                step.preprocessor.fit(part)
                block = _with(block, step.preprocessor.encode(part), part)

    def encode(self, block: Block) -> Block:
        """The block that models see."""
        for step in self.steps:
            part = self._part(block, step)
            if part is not None:
                block = _with(block, step.preprocessor.encode(part), part)
        return block

    def decode(self, block: Block, layout: Layout) -> Block:
        """The inverse, in the layout's own dtypes."""
        for step in reversed(self.steps):
            part = self._part(block, step)
            if part is not None:
                block = _with(block, step.preprocessor.decode(part), part)
        return self._rounded(block, layout)

    def _rounded(self, block: Block, layout: Layout) -> Block:
        """The block with integers at the nearest whole number, where a cast would cut them off."""
        whole = [v.name for v in layout.variables if self._touched(v) and v.numpy_dtype.kind in "iu"]
        if not whole:
            return block
        return make_block(
            {
                str(key): (
                    tuple(map(str, variable.dims)),
                    np.rint(values_of(block, str(key))) if key in whole else values_of(block, str(key)),
                )
                for key, variable in block.variables.items()
            }
        )

    def tolerances(self, tolerances: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
        """Tolerances of the encoded variables."""
        changed = dict(tolerances)
        for step in self.steps:
            for name, tolerance in changed.items():
                if step.applies(name) and tolerance.lossy:
                    changed[name] = step.preprocessor.tolerance(name, tolerance)
        return changed

    def touches(self, layout: Layout) -> bool:
        """Whether any variable of the layout is changed."""
        return bool(self.steps) and any(self._touched(variable) for variable in layout.variables)

    def encoded_layout(self, layout: Layout) -> Layout:
        """The layout of the encoded block: what a preprocessor touched is float64, whatever it was."""
        return replace(
            layout,
            variables=tuple(
                replace(v, dtype="<f8", scale=1.0, offset=0.0, fill=()) if self._touched(v) else v
                for v in layout.variables
            ),
        )

    def _touched(self, variable: Variable) -> bool:
        applies = any(step.applies(variable.name) for step in self.steps)
        return applies and variable.is_numeric and variable.name not in self._exact

    def _part(self, block: Block, step: Step) -> Block | None:
        """The variables of a block that a step applies to."""
        wanted = [name for name in map(str, block.variables) if step.applies(name) and name not in self._exact]
        names = [name for name in wanted if values_of(block, name).dtype.kind in "biuf"]
        if not names:
            return None
        return make_block({n: (tuple(map(str, block.variables[n].dims)), values_of(block, n)) for n in names})


def _with(block: Block, changed: Block, part: Block) -> Block:
    """The block with the variables of `part` replaced."""
    new = {}
    for key in block.variables:
        name = str(key)
        source = block
        if name in part.variables:
            if name not in changed.variables or values_of(changed, name).shape != values_of(block, name).shape:
                raise PluginError(f"a preprocessor lost {name!r} or changed its shape")
            source = changed
        values = values_of(source, name)
        new[name] = (
            tuple(map(str, block.variables[key].dims)),
            values.astype(np.float64) if source is changed else values,
        )
    return make_block(new)
