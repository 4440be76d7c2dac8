"""Change variables reversibly before the model: logarithm, asinh, min-max and standard normalisation."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Options, Preprocessor, State
from baler_core.quantise.exponential import exp


class _PerVariable(Preprocessor):
    """What the built-in preprocessors share: each variable is changed by itself, with its own few parameters.

    A variable that the first block lacks is learned from the block in which it is met first.
    """

    parameters: ClassVar[tuple[str, ...]]
    """What is learned of each variable, before the rounding of its dtype."""

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self._learned: dict[str, np.ndarray] = {}

    @abstractmethod
    def learn(self, values: np.ndarray) -> tuple[float, ...]:
        """Return parameters from finite float64 values (1-D, at least one)."""

    @abstractmethod
    def forward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        """Return what the model sees: float64, from float64 of any shape."""

    @abstractmethod
    def backward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        """Return the inverse of `forward`."""

    @abstractmethod
    def absolute(self, allowed: float, learned: np.ndarray) -> Tolerance:
        """Return the encoded tolerance that keeps the original within `allowed`."""

    @abstractmethod
    def relative(self, eps: float, shift: float, learned: np.ndarray) -> Tolerance:
        """Return the encoded tolerance that keeps the original within `eps * |x + shift|`."""

    def fit(self, block: Block) -> None:
        """Learn the parameters of the block's variables from their finite values."""
        for key in block.variables:
            values = values_of(block, str(key))
            finite = values[usable(values)].astype(np.float64)
            # What casting back to the original's dtype may change a value by, relative to it.
            rounding = float(np.finfo(values.dtype).eps) / 2 if values.dtype.kind == "f" else 0.0
            self._learned[str(key)] = np.array([*self.learn(finite if finite.size else np.zeros(1)), rounding])

    def encode(self, block: Block) -> Block:
        """Return the block with every variable changed: float64."""
        met_first = [str(key) for key in block.variables if str(key) not in self._learned]
        if met_first:
            self.fit(make_block({name: (_dims(block, name), values_of(block, name)) for name in met_first}))
        return self._changed(block, self.forward)

    def decode(self, block: Block) -> Block:
        """Return the block with every variable changed back: float64."""
        return self._changed(block, self.backward)

    def _changed(self, block: Block, change) -> Block:  # type: ignore[no-untyped-def]
        changed = {}
        for key in block.variables:
            name = str(key)
            with np.errstate(all="ignore"):
                values = change(values_of(block, name).astype(np.float64), self._parameters(name))
            changed[name] = (_dims(block, name), values)
        return make_block(changed)

    def _parameters(self, name: str) -> np.ndarray:
        if name not in self._learned:
            raise FormatError(f"the preprocessor {self.name!r} has no parameters for {name!r}")
        return self._learned[name]

    def tolerance(self, name: str, tolerance: Tolerance) -> Tolerance:
        """The tolerance of the encoded variable; a little less than the bound, for the cast to the original's dtype."""
        learned = self._parameters(name)
        if tolerance.kind == "abs":
            margin = min(learned[-1] * self.largest(learned), 0.5 * tolerance.value)
            encoded = self.absolute(tolerance.value - margin, learned)
        elif tolerance.kind in ("rel", "bits"):
            eps = tolerance.value if tolerance.kind == "rel" else math.ldexp(1.0, -int(tolerance.value) - 2)
            encoded = self.relative(eps - min(learned[-1], 0.5 * eps), tolerance.shift, learned)
        else:
            return tolerance
        with np.errstate(all="ignore"):
            fill = self.forward(np.array(tolerance.fill, np.float64), learned)
        return replace(encoded, fill=tuple(fill.tolist()))

    @abstractmethod
    def largest(self, learned: np.ndarray) -> float:
        """Return largest magnitude among the learned values."""

    def state(self) -> State:
        """Return the parameters, by variable: float64."""
        return dict(self._learned)

    def load_state(self, state: State) -> None:
        """Take up parameters from a file.

        Raises
        ------
        FormatError
            If they are not what `state` gave.
        """
        for name, learned in state.items():
            wanted = (*self.parameters, "rounding")
            fits = learned.shape == (len(wanted),) and learned.dtype.kind == "f" and bool(np.isfinite(learned).all())
            if not fits or ("scale" in wanted and learned[wanted.index("scale")] <= 0):
                raise FormatError(
                    f"the preprocessor {self.name!r} needs {', '.join(wanted)} of {name!r}, found {learned!r}"
                )
            self._learned[name] = learned


def _dims(block: Block, name: str) -> tuple[str, ...]:
    return tuple(map(str, block.variables[name].dims))


class Log(_PerVariable):
    """Natural logarithm: a point-wise relative bound becomes an absolute one.

    Zero becomes -inf and comes back; negative values become NaN and are stored exactly by the core.
    """

    name: ClassVar[str] = "log"
    summary: ClassVar[str] = "natural logarithm, for positive values over many orders of magnitude"
    parameters: ClassVar[tuple[str, ...]] = ("largest value",)

    def learn(self, values: np.ndarray) -> tuple[float, ...]:
        return (float(np.abs(values).max()) or 1.0,)

    def forward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return np.log(values)

    def backward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return exp(values)

    def largest(self, learned: np.ndarray) -> float:
        return float(learned[0])

    def absolute(self, allowed: float, learned: np.ndarray) -> Tolerance:
        # x (exp(d) - 1) <= allowed for the largest x; smaller ones come out better.
        return Tolerance("abs", math.log1p(allowed / learned[0]))

    def relative(self, eps: float, shift: float, learned: np.ndarray) -> Tolerance:
        return Tolerance("abs", math.log1p(eps))


class AsinhOptions(Options):
    """Options of `asinh`."""

    scale: float | None = Field(default=None, gt=0, description="Linear below, logarithmic above; default: the median.")


class Asinh(_PerVariable):
    """asinh(x / scale): linear near zero, logarithmic far from it, for both signs."""

    name: ClassVar[str] = "asinh"
    summary: ClassVar[str] = "inverse hyperbolic sine: a logarithm that takes zero and both signs"
    Options: ClassVar[type[Options]] = AsinhOptions
    parameters: ClassVar[tuple[str, ...]] = ("scale", "largest value")

    def learn(self, values: np.ndarray) -> tuple[float, ...]:
        magnitude = np.abs(values[values != 0])
        if not magnitude.size:
            return (1.0, 1.0)
        return (float(self.options.scale or np.median(magnitude)), float(magnitude.max()))

    def forward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return np.arcsinh(values / learned[0])

    def backward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return np.sinh(values) * learned[0]

    def largest(self, learned: np.ndarray) -> float:
        return float(learned[1])

    def absolute(self, allowed: float, learned: np.ndarray) -> Tolerance:
        scale, largest, _ = learned
        high = math.asinh((largest + allowed) / scale)
        return Tolerance("abs", high - math.asinh(largest / scale))

    def relative(self, eps: float, shift: float, learned: np.ndarray) -> Tolerance:
        # d(log y) / d(log x) falls from 1 at zero to its value at the largest x: safe there is safe everywhere, but
        # for a part of second order, which the factor 1 - eps covers.
        scale, largest, _ = learned
        encoded = math.asinh(largest / scale)
        if encoded <= 0:
            raise FormatError(f"the preprocessor {self.name!r} has seen no value except 0")
        return Tolerance("rel", (1 - eps) * (math.asinh(largest * (1 + eps) / scale) / encoded - 1))


class _Affine(_PerVariable):
    """(x - offset) / scale."""

    parameters: ClassVar[tuple[str, ...]] = ("offset", "scale", "largest value")

    def forward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return (values - learned[0]) / learned[1]

    def backward(self, values: np.ndarray, learned: np.ndarray) -> np.ndarray:
        return values * learned[1] + learned[0]

    def largest(self, learned: np.ndarray) -> float:
        return float(learned[2])

    def absolute(self, allowed: float, learned: np.ndarray) -> Tolerance:
        return Tolerance("abs", allowed / learned[1])

    def relative(self, eps: float, shift: float, learned: np.ndarray) -> Tolerance:
        return Tolerance("rel", eps, shift=(learned[0] + shift) / learned[1])


class MinMax(_Affine):
    """To 0 .. 1 (the paper's normalisation); a constant becomes 0."""

    name: ClassVar[str] = "min_max"
    summary: ClassVar[str] = "normalise to 0 .. 1"

    def learn(self, values: np.ndarray) -> tuple[float, ...]:
        low, high = float(values.min()), float(values.max())
        width = high - low
        return (low, width if 0 < width < math.inf else 1.0, max(abs(low), abs(high)))


class Standardise(_Affine):
    """To mean 0 and standard deviation 1; a constant becomes 0."""

    name: ClassVar[str] = "standardise"
    summary: ClassVar[str] = "normalise to mean 0 and standard deviation 1"

    def learn(self, values: np.ndarray) -> tuple[float, ...]:
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = float(values.mean()), float(values.std())
        usual = math.isfinite(mean) and 0 < deviation < math.inf
        return (mean if math.isfinite(mean) else 0.0, deviation if usual else 1.0, float(np.abs(values).max()))
