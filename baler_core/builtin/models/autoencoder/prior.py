"""Code latents under a prior that was learned with the network: tables of whole numbers, alike on any machine."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import ENCODING, code_bit, finish, new_decoder, new_encoder
from baler_core.entropy.frequencies import LEVELS
from baler_core.entropy.integers import pack_checked, unpack_checked
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError
from baler_core.machine.compiled import Array, compiled
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import State

_MOST_SYMBOLS = 1 << 12
_TAIL = 1e-5
_BORDERS = np.sqrt(LEVELS[1:-1] * LEVELS[2:])
"""Between levels, where a weight goes to the next one."""
_DEEPEST = 13
"""Decisions that lead to one of the symbols of a channel, of which one is the escape."""


@dataclass(frozen=True)
class Density:
    """The prior as it was learned: a mixture of logistics for each latent.

    Attributes
    ----------
    shares, centres, widths
        float64 (latents, components).
    """

    shares: np.ndarray
    centres: np.ndarray
    widths: np.ndarray

    def below(self, latent: int, points: np.ndarray) -> np.ndarray:
        """Chance of a latent to lie below points: float64, of their shape."""
        far = (points[:, None] - self.centres[latent]) / self.widths[latent]
        return np.asarray((self.shares[latent] / (1 + np.exp(-np.clip(far, -500, 500)))).sum(axis=1))


@dataclass(frozen=True)
class PriorTables:
    """What is stored of a prior.

    Attributes
    ----------
    lowest
        int64 (latents,): the whole number that the first symbol of each latent stands for.
    sizes
        int64 (latents,): how many symbols each has.
    levels
        uint8: of all latents, first that of the escape, then those of the symbols: places in `frequencies.LEVELS`.
    """

    lowest: np.ndarray
    sizes: np.ndarray
    levels: np.ndarray

    @classmethod
    def of(cls, density: Density, steps: np.ndarray) -> PriorTables:
        """Return the tables for latents in whole steps."""
        lowest, sizes, levels = [], [], [np.zeros(0, np.uint8)]
        for latent, step in enumerate(steps):
            low, high = _reach(density, latent, float(step))
            inside = density.below(latent, (np.arange(low, high + 2) - 0.5) * step)
            chances = np.concatenate([[_TAIL], np.diff(inside)])
            weights = np.maximum(chances / chances.max() * float(LEVELS[-1]), 1.0)
            places = np.searchsorted(_BORDERS, weights) + 1
            lowest.append(low)
            sizes.append(high - low + 1)
            levels.append(places.astype(np.uint8))
        return cls(np.array(lowest, np.int64), np.array(sizes, np.int64), np.concatenate(levels))

    def to_state(self) -> State:
        """Return arrays by name."""
        return {"prior lowest": self.lowest, "prior sizes": self.sizes, "prior levels": self.levels}

    @classmethod
    def from_state(cls, state: State) -> PriorTables:
        """Invert `to_state`.

        Raises
        ------
        FormatError
            If the arrays cannot be tables.
        """
        found = [state.get(f"prior {name}", np.zeros(0)) for name in ("lowest", "sizes", "levels")]
        right = [array.dtype == kind and array.ndim == 1 for array, kind in zip(found, ("i8", "i8", "u1"), strict=True)]
        lowest, sizes, levels = found
        if not (all(right) and lowest.shape == sizes.shape) or (sizes.size and not _possible(lowest, sizes, levels)):
            raise FormatError("the prior of latents is damaged")
        return cls(lowest, sizes, levels)

    def encoded(self, latents: np.ndarray) -> bytes:
        """Write whole latents, int64 (samples, latents, ...)."""
        parts = []
        for latent, cumulative in enumerate(self._cumulative()):
            values = latents[:, latent].ravel()
            symbols = values - self.lowest[latent] + 1
            outside = (symbols < 1) | (symbols > self.sizes[latent])
            coder = new_encoder(2 * _DEEPEST * len(symbols) + 64)
            code_by_table(*coder, np.where(outside, 0, symbols), cumulative)
            parts += [finish(coder), pack_checked(values[outside]) if outside.any() else b""]
        return b"".join(map(write_sized, parts))

    def decoded(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Read the int64 latents of `shape` that `encoded` wrote.

        Raises
        ------
        FormatError
            If there are other tables, or the bytes are damaged.
        """
        if shape[1] != len(self.sizes):
            raise FormatError(f"a prior of {len(self.sizes)} latents meets {shape[1]}")
        reader, found = ByteReader(data, "the latents of an autoencoder"), np.zeros(shape, np.int64)
        for latent, cumulative in enumerate(self._cumulative()):
            symbols = np.zeros(found[:, latent].size, np.int64)
            code_by_table(*new_decoder(reader.sized()), symbols, cumulative)
            values, escaped = symbols + self.lowest[latent] - 1, symbols == 0
            beyond = reader.sized()
            if escaped.any():
                values[escaped] = unpack_checked(beyond, int(escaped.sum()))
            found[:, latent] = values.reshape(found[:, latent].shape)
        return found

    def _cumulative(self) -> list[np.ndarray]:
        """Sums of the weights of the symbols before each, and of all: int64, by latent."""
        weights = LEVELS[self.levels]
        parts = np.split(weights, np.cumsum(self.sizes + 1)[:-1]) if len(self.sizes) else []
        return [np.concatenate([[0], np.cumsum(part)]) for part in parts]


def _reach(density: Density, latent: int, step: float) -> tuple[int, int]:
    """The whole numbers between which nearly all of a latent lies."""
    edges = density.centres[latent] + np.array([[-1.0], [1.0]]) * density.widths[latent] * -np.log(_TAIL)
    low, high = (np.clip(np.rint(edge / step), -(2.0**40), 2.0**40) for edge in (edges.min(), edges.max()))
    middle, half = (low + high) // 2, min((high - low) // 2 + 1, _MOST_SYMBOLS // 2 - 1)
    return int(middle - half), int(middle + half)


def _possible(lowest: np.ndarray, sizes: np.ndarray, levels: np.ndarray) -> bool:
    """Whether each latent has symbols, whose levels are all there and none 0."""
    fits = sizes.min() > 0 and sizes.max() <= _MOST_SYMBOLS and np.abs(lowest.astype(np.float64)).max() <= 2.0**41
    return bool(
        fits and int(sizes.sum()) + len(sizes) == len(levels) and 0 < levels.min() <= levels.max() < len(LEVELS)
    )


@compiled
def code_by_table(registers: Array, data: Array, symbols: Array, cumulative: Array) -> None:
    """Write symbols, or read them, by halving the places of a table of cumulative weights, none of which is 0.

    The loop ends, as `high - low` halves; places lie between those that are compared.
    """
    encoding = registers[ENCODING] == 1
    for row in range(len(symbols)):
        low, high = 0, len(cumulative) - 1
        while high - low > 1:
            middle = (low + high) >> 1
            above, whole = cumulative[high] - cumulative[middle], cumulative[high] - cumulative[low]
            chance = min(max(65536 * above // whole, 1), 65535)
            if code_bit(registers, data, 1 if encoding and symbols[row] >= middle else 0, chance):
                low = middle
            else:
                high = middle
        symbols[row] = low
