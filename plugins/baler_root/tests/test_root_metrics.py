"""Masses of pairs and sums per event, over blocks, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from baler_core import Metric, Variable, make_block
from baler_root.metrics.masses import PairMass
from baler_root.metrics.sums import EventSums

COUNTS = np.array([3, 0, 1, 2, 2], "u4")


def block_of(jets: dict[str, np.ndarray], counts: np.ndarray = COUNTS) -> xr.Dataset:
    """Events with jets, and other integers that add up to as much."""
    columns = {name: (("Jet",), values) for name, values in jets.items()}
    return make_block(
        {"nOther": (("entry",), counts[::-1].copy()), "nJet": (("entry",), counts), "run": ((), np.array(7)), **columns}
    )


def variables_of(block: xr.Dataset) -> dict[str, Variable]:
    """Descriptions of a block's variables; pt is in GeV."""
    return {
        str(name): Variable(str(name), v.dtype.str, tuple(map(str, v.dims)), units="GeV" if "pt" in str(name) else "")
        for name, v in block.variables.items()
    }


def random_jets(rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """pt, eta, phi, mass as float32, not sorted."""
    rng = np.random.default_rng(seed)
    return {
        "Jet_pt": rng.exponential(50, rows).astype("f4"),
        "Jet_eta": rng.normal(0, 2, rows).astype("f4"),
        "Jet_phi": rng.uniform(-3, 3, rows).astype("f4"),
        "Jet_mass": rng.exponential(5, rows).astype("f4"),
    }


def masses_by_hand(jets: dict[str, np.ndarray], order_by: dict[str, np.ndarray]) -> list[float]:
    """Event by event, in plain Python."""
    found, start = [], 0
    for count in COUNTS:
        rows = sorted(range(start, start + count), key=lambda i: -order_by["Jet_pt"][i])[:2]
        start += count
        if len(rows) == 2:
            total = np.zeros(4)
            for i in rows:
                pt, eta, phi, mass = (float(jets[f"Jet_{part}"][i]) for part in ("pt", "eta", "phi", "mass"))
                p = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
                total += [np.sqrt(p @ p + mass**2), *p]
            found.append(np.sqrt(total[0] ** 2 - total[1:] @ total[1:]))
    return found


def changed(jets: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same jets with momenta up to 1 % off."""
    factor = np.random.default_rng(3).uniform(0.99, 1.01, len(jets["Jet_pt"]))
    return jets | {"Jet_pt": (jets["Jet_pt"] * factor).astype("f4")}


def test_masses_of_leading_pairs() -> None:
    jets = random_jets(8)
    original, restored = block_of(jets), block_of(changed(jets))
    metric = PairMass()
    metric.update(original, restored, variables_of(original))
    (found,) = metric.result().values.values()
    before, after = np.array(masses_by_hand(jets, jets)), np.array(masses_by_hand(changed(jets), jets))
    assert found["count"] == 3
    assert found["mean original"] == pytest.approx(before.mean())
    assert found["width restored"] == pytest.approx(after.std())
    assert found["RMS difference"] == pytest.approx(np.sqrt(np.mean((after - before) ** 2)))
    assert found["largest difference"] == pytest.approx(np.abs(after - before).max())
    assert metric.result().units == {"m(Jet, Jet)": "GeV"}


def test_sums_of_momenta() -> None:
    jets = random_jets(8)
    original, restored = block_of(jets), block_of(changed(jets))
    metric = EventSums()
    metric.update(original, restored, variables_of(original))
    (found,) = metric.result().values.values()
    sums = [jets["Jet_pt"][a:b].sum() for a, b in ((0, 3), (3, 4), (4, 6), (6, 8))]
    assert found["count"] == 4
    assert found["mean original"] == pytest.approx(np.mean(sums), rel=1e-6)


@pytest.mark.parametrize("kind", [PairMass, EventSums])
def test_blocks_add_up(kind: type[Metric]) -> None:
    whole, parts = kind(), kind()
    jets = [random_jets(8, seed) for seed in range(6)]
    for some in jets:
        block, restored = block_of(some), block_of(changed(some))
        parts.update(block, restored, variables_of(block))
    together = {name: np.concatenate([some[name] for some in jets]) for name in jets[0]}
    together_restored = {name: np.concatenate([changed(some)[name] for some in jets]) for name in jets[0]}
    counts = np.tile(COUNTS, 6)
    block = block_of(together, counts)
    whole.update(block, block_of(together_restored, counts), variables_of(block))
    (a,), (b,) = parts.result().values.values(), whole.result().values.values()
    assert a == pytest.approx(b, rel=1e-9)


def test_values_that_are_not_finite_are_counted() -> None:
    jets = random_jets(8)
    jets["Jet_mass"][:3] = np.nan
    metric = PairMass()
    block = block_of(jets)
    metric.update(block, block, variables_of(block))
    (found,) = metric.result().values.values()
    assert found["count"] == 2
    assert found["skipped"] == 1
    assert found["largest difference"] == 0


def test_collections_by_pattern_and_blocks_without_any() -> None:
    block = block_of(random_jets(8))
    metric = PairMass(PairMass.Options(collections=("Muon*",)))
    metric.update(block, block, variables_of(block))
    empty = block_of(random_jets(0), np.zeros(3, "u4"))
    metric_of_empty = EventSums()
    metric_of_empty.update(empty, empty, variables_of(empty))
    for unused in (metric, metric_of_empty):
        assert unused.result().values == {}
        assert list(unused.plots()) == []


@pytest.mark.parametrize("kind", [PairMass, EventSums])
def test_plots_are_drawn(kind: type[Metric]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metric = kind()
    block, restored = block_of(random_jets(8)), block_of(changed(random_jets(8)))
    metric.update(block, restored, variables_of(block))
    (title,) = metric.plots()
    figure = Figure(figsize=(6.5, 4.2))
    metric.plot(title, figure.subplots())
    FigureCanvasAgg(figure).draw()
    upper, lower = figure.axes[0].child_axes[1], figure.axes[0].child_axes[0]
    assert title in lower.get_xlabel()
    assert "[GeV]" in lower.get_xlabel()
    assert {text.get_text() for text in upper.get_legend().get_texts()} == {"original", "restored"}
