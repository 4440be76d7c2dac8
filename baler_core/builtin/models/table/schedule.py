"""Decide which columns get a network, its inputs and how long it learns; train networks side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.builtin.models.table.contexts.predictor import FEATURES
from baler_core.builtin.models.table.contexts.symbols import smooth_bits
from baler_core.builtin.models.table.network.inference import INPUT_ONE, Network
from baler_core.builtin.models.table.network.training import Schedule, TrainingData, train_network
from baler_core.machine.progress import bits_per_row, shown
from baler_core.machine.records import dataclass
from baler_core.machine.threads import in_parallel

FEWEST_ROWS = 2000
"""Below so many rows a network does not earn its bytes."""
_MOST_LOOKED_AT = 12
_WORTH = 0.004
"""Bits per value that a column must share with another to be looked at."""
_PENALTY = 120.0
_VISITS = 900_000
_EPOCHS = (12, 40)
"""Fewest and most passes over the rows; the prototypes trained for at most 80."""
_SECONDS_PER_VISIT = (3e-7, 0.7e-9)
"""Time to learn from one row on one core: fixed, and per weight. Estimated, so that every run stops at the same place."""
_FEWEST_BITS = 0.25
_FEWEST_BYTES = 2000.0
"""Smaller columns hardly save what a network takes in the plan: 130 bytes or more, where a few per cent is much."""
_PROMISING = 0.999
"""A network that needs more than this share of the column's own bits half-way is given up."""


@dataclass(frozen=True)
class NetworkTarget:
    """A column to be given a network.

    Attributes
    ----------
    number
        Of the column.
    marginal, symbols
        Its bins and symbols (int64 per row).
    looked_at
        Earlier columns, the most informative first.
    size
        Bytes that the column takes without a network, about.
    """

    number: int
    marginal: Marginal
    symbols: np.ndarray
    looked_at: tuple[int, ...]
    size: float


def most_informative(shared: np.ndarray, order: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return for each column of `order` the earlier ones that share most with it.

    Parameters
    ----------
    shared
        (columns, columns) bits that two columns share, by place in `order`.
    """
    found = {}
    for place, number in enumerate(order):
        closest = np.argsort(-shared[place, :place], kind="stable")[:_MOST_LOOKED_AT]
        found[number] = tuple(order[other] for other in closest.tolist() if shared[place, other] > _WORTH)
    return found


def train_networks(
    targets: Sequence[NetworkTarget], coded: CodedColumns, seconds: float, seed: int, *, all_columns: bool = False
) -> Mapping[int, Network]:
    """Return networks by column number, for those columns that time allows.

    Parameters
    ----------
    seconds
        How long one core may take, by an estimate that does not depend on the machine.
    all_columns
        Whether columns get a network that are too small for it to earn its bytes.
    """
    rows = coded.rows
    if rows < FEWEST_ROWS:
        return {}
    targets = [p for p in targets if all_columns or p.size > _FEWEST_BYTES]
    width = hidden_units(rows)
    worth = {p.number: smooth_bits(p.symbols) for p in targets if p.looked_at}
    targets = sorted((p for p in targets if worth.get(p.number, 0) > _FEWEST_BITS), key=lambda p: -worth[p.number])
    epochs, count = _affordable([_cost(p, width) * rows for p in targets], rows, seconds)
    chosen = targets[:count]
    for target in chosen:  # features are made once, before threads share them
        coded.inputs(target.looked_at)

    bits = {p.number: worth[p.number] for p in chosen}
    with shown("train table", "pass", epochs * len(chosen)) as step:

        def trained(target: NetworkTarget) -> Network | None:
            passes = itertools.count(1)

            def goes_on(found: float) -> bool:
                bits[target.number] = found
                step(bits_per_row(sum(bits.values()) * rows / 8, rows))
                return next(passes) * 4 < epochs or found < worth[target.number] * _PROMISING

            schedule = Schedule(width, epochs, _PENALTY / rows, seed + target.number)
            return train_network(training_data_of(target, coded), target.looked_at, schedule, goes_on)

        networks = in_parallel(trained, chosen)
    return {p.number: network for p, network in zip(chosen, networks, strict=True) if network is not None}


def hidden_units(rows: int) -> int:
    """Return how many hidden units are worth their bytes for so many rows.

    The prototypes used 4 to 6 below 20,000 rows, 8 to 12 below 90,000 and 16 below 400,000.
    """
    for limit, width in ((20_000, 6), (40_000, 8), (90_000, 12)):
        if rows < limit:
            return width
    return 16


def _cost(target: NetworkTarget, width: int) -> float:
    fixed, each = _SECONDS_PER_VISIT
    return fixed + each * len(target.looked_at) * FEATURES * (width + 3)


def _affordable(costs: Sequence[float], rows: int, seconds: float) -> tuple[int, int]:
    """Return epochs, and how many of the columns (each at its cost per epoch) can be trained so long."""
    least, most = _EPOCHS
    wanted = min(max(_VISITS // rows, least), most)
    spent = np.cumsum(costs)
    if not len(spent):
        return wanted, 0
    epochs = int(min(max(seconds / spent[-1], least), wanted))
    return epochs, int(np.searchsorted(spent * epochs, seconds, side="right"))


def training_data_of(target: NetworkTarget, coded: CodedColumns) -> TrainingData:
    """Return what the network of a column learns from."""
    low, high, mass = ends_of(target.marginal, target.symbols)
    inputs = np.ascontiguousarray((coded.inputs(target.looked_at) / INPUT_ONE).T, np.float32)
    return TrainingData(inputs, low, high, mass)


def ends_of(marginal: Marginal, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scores of both ends of each symbol, and its chance by the marginal: float64 (rows,) each."""
    edges = marginal.edges
    shares = np.concatenate([[0.0], np.cumsum(marginal.masses)])
    shares /= shares[-1]
    below, above = np.interp(symbols, edges, shares), np.interp(symbols + 1, edges, shares)
    low = np.where(symbols <= edges[0], -40.0, _log_odds(below))
    high = np.where(symbols + 1 >= edges[-1], 40.0, _log_odds(above))
    return low, high, np.maximum(above - below, 1e-12)


def _log_odds(share: np.ndarray) -> np.ndarray:
    inside = np.clip(share, 1e-9, 1 - 1e-9)
    return np.log(inside) - np.log1p(-inside)
