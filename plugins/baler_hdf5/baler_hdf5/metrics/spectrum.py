"""The metric `spectrum`: radially averaged energy spectra of fields, original against restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from baler_core import Block, Metric, MetricResult, Options, Variable
from baler_hdf5.metrics.physical import fields_of_block

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SMALLEST = 8
# Wavenumbers with less than this part of the strongest one's energy are not compared: there is nothing but rounding.
FAINTEST = 1.0e-6
TITLE = "energy spectrum of "


class SpectrumOptions(Options):
    """Which fields."""

    variables: tuple[str, ...] = Field(default=("*",), description="Patterns of the variables to include.")


@dataclass
class Spectra:
    """Energies by wavenumber, summed over frames: of the original, the restored field and their difference."""

    frames: int = 0
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Take in one frame (y, x) of each."""
        self.frames += 1
        for label, frame in (("original", original), ("restored", restored), ("difference", restored - original)):
            energies = energy_spectrum(frame)
            self.sums[label] = self.sums.get(label, np.zeros(energies.size)) + energies

    def mean(self, label: str) -> np.ndarray:
        """Return mean energy by wavenumber."""
        return self.sums[label] / max(1, self.frames)


class EnergySpectrum(Metric):
    """Energy spectra over the last two dimensions, averaged over all others."""

    name = "spectrum"
    summary = "radially averaged energy spectra of fields, original against restored, with a log-log plot"
    Options = SpectrumOptions
    options: SpectrumOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._spectra: dict[str, Spectra] = {}
        self._images: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each; a single image waits until all of its rows have come."""
        for variable, one, other in fields_of_block(original, restored, variables, self.options.variables, 2):
            if one.ndim == 2:
                self._images.setdefault(variable.name, []).append((one, other))
                continue
            self._add(variable.name, one, other)

    def result(self) -> MetricResult:
        """Return for each field the error of the spectrum, and the wavenumber up to which it is within 10 %.

        `rms_relative` and `max_relative` compare energies wavenumber by wavenumber, leaving out those with less than
        a millionth of the strongest one's energy; `energy_ratio` compares the sums;
        `good_to` is the largest wavenumber (cycles along the shorter side) below which all are within 10 %.
        """
        for name, parts in self._images.items():
            self._add(name, *(np.concatenate(rows) for rows in zip(*parts, strict=True)))
        self._images = {}
        return MetricResult({name: _statistics(spectra) for name, spectra in self._spectra.items()})

    def plots(self) -> Sequence[str]:
        """Return one plot for each field."""
        return [TITLE + name for name in self._spectra]

    def plot(self, title: str, axes: Axes) -> None:
        """Draw the spectra of one field on logarithmic axes."""
        spectra = self._spectra[title.removeprefix(TITLE)]
        styles = {"original": "C0-", "restored": "C1--", "difference": "C2:"}
        for label, style in styles.items():
            energies = spectra.mean(label)[1:]
            shown = energies > 0
            axes.loglog(np.arange(1, energies.size + 1)[shown], energies[shown], style, label=label)
        axes.set(title=title, xlabel="wavenumber (cycles along the shorter side)", ylabel="energy")
        axes.legend()

    def _add(self, name: str, original: np.ndarray, restored: np.ndarray) -> None:
        if min(original.shape[-2:]) < SMALLEST:
            return
        spectra = self._spectra.setdefault(name, Spectra())
        frames = original.reshape(-1, *original.shape[-2:]), restored.reshape(-1, *restored.shape[-2:])
        for one, other in zip(*frames, strict=True):
            spectra.add(_filled(one), _filled(other))


def _filled(frame: np.ndarray) -> np.ndarray:
    """NaN replaced by the mean of the rest: masked cells add no energy of their own."""
    finite = np.isfinite(frame)
    return np.where(finite, frame, frame[finite].mean() if finite.any() else 0.0)


def energy_spectrum(frame: np.ndarray) -> np.ndarray:
    """Return energy by wavenumber of a field (y, x): half the mean square, split over rings of equal wavenumber.

    Wavenumbers are whole cycles along the shorter side, from 0 to half its length; the corners beyond are left out.
    Source: Pope, Turbulent Flows (2000), section 6.5, in two dimensions.
    """
    rows, columns = frame.shape
    energies = 0.5 * np.square(np.abs(np.fft.fft2(frame) / frame.size))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None, :])
    ring = np.rint(frequency * min(rows, columns)).astype(np.int64)
    return np.bincount(ring.reshape(-1), energies.reshape(-1))[: min(rows, columns) // 2 + 1]


def _statistics(spectra: Spectra) -> dict[str, float]:
    original, restored = spectra.mean("original")[1:], spectra.mean("restored")[1:]
    held = original > FAINTEST * original.max()
    if not held.any():
        return {"frames": float(spectra.frames)}
    relative = np.abs(restored[held] / original[held] - 1)
    bad = np.flatnonzero(relative > 0.1)
    good = np.flatnonzero(held)[: bad[0] if bad.size else None] + 1
    return {
        "frames": float(spectra.frames),
        "rms_relative": float(np.sqrt(np.square(relative).mean())),
        "max_relative": float(relative.max()),
        "energy_ratio": float(restored.sum() / original.sum()),
        "good_to": float(good[-1]) if good.size else 0.0,
    }
