"""Find the steps of tiles on which floats of an image lie: from a few values first, so that others cost next to nothing."""

from __future__ import annotations

import numpy as np

from baler_core.quantise.slice_steps import find_line
from baler_core.quantise.tile_lines import ALIKE, BESIDE, FEW, MOST_VALUES, close, rates, tile_line
from baler_core.quantise.tile_steps import RANDOM, STARTS, TileSteps, dithers, randoms, starts

# Values of a row that are looked at first; of the first tile, if tiles are no rows, so many columns.
_ROW, _CORNER = 4096, 96
# So many of the tiles must lie on steps.
_MOST_TILES = 0.5


def fit_tile_steps(values: np.ndarray, ordinary: np.ndarray | None) -> TileSteps | None:
    """Find the steps on which finite values of rank 2 or more lie, tile by tile; None if there are none.

    Parameters
    ----------
    ordinary
        Boolean, same shape: which values count; None if all do.
    """
    image = _Image(values, ordinary)
    if image.width < FEW or len(image.rows) < 2:
        return None
    middle = image.fullest()
    plain = find_line(image.taken((1, image.width), middle)[0])
    if plain is not None:
        return image.fitted(None, (1, image.width))
    found = _dithered(image, middle)
    return image.fitted(*found) if found is not None else None


class _Image:
    """Values row by row, and which of them count."""

    def __init__(self, values: np.ndarray, ordinary: np.ndarray | None) -> None:
        self.shape, self.dtype, self.width = values.shape, values.dtype, values.shape[-1]
        self.rows = values.reshape(-1, self.width)
        self.masks = None if ordinary is None else ordinary.reshape(self.rows.shape)

    def fullest(self) -> int:
        """Return one of a few rows in the middle with most values."""
        some = np.linspace(0, len(self.rows) - 1, 9).astype(np.int64)[[4, 3, 5, 2, 6, 1, 7]]
        return int(max(some.tolist(), key=lambda row: len(self.taken((1, self.width), row)[0])))

    def taken(self, lengths: tuple[int, int], tile: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ordinary values of a tile, but exact zeros, and their places in it."""
        (high, wide), (ny, nx) = lengths, self.shape[-2:]
        frame, rest = divmod(tile, -(-ny // high) * -(-nx // wide))
        row, column = divmod(rest, -(-nx // wide))
        first = frame * ny + row * high
        box = slice(first, min(first + high, (frame + 1) * ny)), slice(column * wide, (column + 1) * wide)
        flat = self.rows[box].ravel()
        good = np.isfinite(flat) & (flat != 0)
        if self.masks is not None:
            good &= self.masks[box].ravel()
        places = np.flatnonzero(good)
        return flat[places], places

    def fitted(self, seed: int | None, lengths: tuple[int, int]) -> TileSteps | None:
        """Fit scale and zero of each tile; None if too few of the tiles have any."""
        (high, wide), shape = lengths, self.shape
        count = len(self.rows) // shape[-2] * -(-shape[-2] // high) * -(-shape[-1] // wide)
        scales, zeros = np.zeros(count), np.zeros(count)
        tried = held = 0
        for tile in range(count):
            flat, places = self.taken(lengths, tile)
            if not flat.size:
                continue
            tried += 1
            zeros[tile] = flat[0]
            line = _line(flat, places, None if seed is None else (tile + seed) % RANDOM)
            if line is not None:
                scales[tile], zeros[tile] = line
                held += 1
            if tried == 8 and not held:
                return None
        if not held or held < _MOST_TILES * tried:
            return None
        middle = self.rows[:: max(1, len(self.rows) >> 6)]
        masks = np.isfinite(middle) if self.masks is None else self.masks[:: max(1, len(self.rows) >> 6)]
        return TileSteps(self.dtype.str, seed, lengths, float(np.median(middle[masks])), scales, zeros)


# ---- dithered ones


def _dithered(image: _Image, middle: int) -> tuple[int, tuple[int, int]] | None:
    """Find the seed and the lengths of tiles: rows, or others that begin in the first corner."""
    whole = 1, image.width
    flat, places = image.taken(whole, middle)
    start = _start(flat, places)
    if start is not None:
        for seed in (np.flatnonzero(starts() == start) - middle) % RANDOM:
            if _agrees(image, int(seed), whole, (middle + 1) % len(image.rows)):
                return int(seed), whole
    flat, places = image.taken(whole, 0)
    early = places < _CORNER
    start = _start(flat[early], places[early])
    for seed in np.flatnonzero(starts() == start) if start is not None else ():
        lengths = _lengths(image, int(seed))
        if lengths is not None and _agrees(image, int(seed), lengths, 1):
            return int(seed), lengths
    return None


def _start(flat: np.ndarray, places: np.ndarray) -> int | None:
    """Return where the random numbers of a row begin; None if its values are not dithered."""
    early = places < _ROW
    near = close(flat[early].astype(np.float64))
    values, places = flat[early][near].astype(np.float64), places[early][near]
    span = float(np.ptp(values)) if values.size else 0.0
    if values.size < FEW // 2 or span == 0:
        return None
    trials = np.exp(2j * np.pi * randoms()[np.arange(STARTS)[:, np.newaxis] + places])
    waves = np.exp(2j * np.pi * np.outer(values - values.min(), rates(span)))
    alike = np.abs(trials @ waves).max(axis=1) / values.size
    best = int(alike.argmax())
    return best if alike[best] > ALIKE else None


def _lengths(image: _Image, run: int) -> tuple[int, int] | None:
    """Return the lengths of the first tile, whose random numbers begin with a run."""
    wide = image.width
    flat, places = image.taken((1, wide), 0)
    line = _line(flat[places < _CORNER], places[places < _CORNER], run)
    if line is None:
        return None
    right = _on_points(flat, dithers(np.int64(run), places), line)
    if not right.all():
        wide = int(places[np.flatnonzero(~right)[0]])
    high, ny = 1, image.shape[-2]
    while high < ny:
        row, at = image.taken((1, image.width), high)
        row, at = row[at < wide], at[at < wide]
        inside = _on_points(row, dithers(np.int64(run), high * wide + at), line)
        if not row.size or inside.mean() < MOST_VALUES:
            break
        high += 1
    return high, wide


def _on_points(flat: np.ndarray, shifts: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    """Return which values lie on points."""
    counted = (flat.astype(np.float64) - line[1]) / line[0] + shifts - 0.5
    return np.asarray(np.abs(counted - np.rint(counted)) < BESIDE)


def _agrees(image: _Image, seed: int, lengths: tuple[int, int], tile: int) -> bool:
    """Return whether another tile lies on steps with the random numbers of a seed."""
    flat, places = image.taken(lengths, tile)
    return flat.size == 0 or _line(flat, places, (tile + seed) % RANDOM) is not None


def _line(flat: np.ndarray, places: np.ndarray, run: int | None) -> tuple[float, float] | None:
    """Return scale and zero of a tile, whose random numbers begin with a run; None if its values lie on no steps."""
    return tile_line(flat, None if run is None else dithers(np.int64(run), places))
