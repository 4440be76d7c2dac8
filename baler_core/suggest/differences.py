"""Propose bounds for quantities of which differences count, not shares of the value: logarithms, levels, heights, angles."""

from __future__ import annotations

import re

import numpy as np

from baler_core.data.conventions import run_together, spoken
from baler_core.data.variables import Variable
from baler_core.suggest.proposal import LOSSLESS, Proposal

_LOG_PROBABILITY = re.compile(
    r"(?:.+_)?(?:minus_?|neg_?|n)?(?:log|ln)_?(?:l|like(?:lihood)?s?|prob(?:ability|abilities|s)?|post(?:erior)?|prior|"
    r"evidence|z|p)(?:_.+)?|(?:minus|neg)_?log_?\w+|lp__|nll|elbo"
)
_LOGARITHM = re.compile(
    r"(?:log|lg)(?:10)?_\w+|log10\w+|log[glmt]|.+_log(?:10)?|\[?fe_?h\]?|feh|met(?:al)?s?_dex|p_?h(?:_.+)?"
)
_LEVELS_IN = re.compile(r"dex|\[?-?\]?log\d*\(?.*|db(?:[a-z]{0,3}|/.*)?|bels?", re.IGNORECASE)
# Energies of bands and orbitals of molecules and crystals (QM9, Materials Project, VASP, CP2K), and total ones. In flows and
# detectors there are energies, too, but above zero, and eigenvalues of tensors.
_ENERGY_OF_STATES = re.compile(
    r"(?:.+_)?(?:band_?(?:energies|energy|structure)|homo|lumo|e_?fermi|fermi_?(?:energy|level)|formation_?energ(?:y|ies)|"
    r"energ(?:y|ies)_per_atom|(?:scf|dft|ks)_?energ(?:y|ies))(?:_.+)?"
)
_EIGENVALUES = re.compile(r"(?:.+_)?eigen_?(?:values?|energies|energy)(?:_.+)?")
_ENERGY = re.compile(
    r"(?:.+_)?(?:energ(?:y|ies)|enthalp(?:y|ies)|e_?tot(?:al)?|[uhg]_?(?:0|298(?:_15)?)?|[uhg]\d*_atom)(?:_.+)?"
)
_HEIGHT = re.compile(r"(?:.+_)?(?:elevations?|elev|altitudes?|alt|heights?|hgt|ellipsoidal_h)(?:_(?:m|km|ft|msl|asl))?")
_WAVE = re.compile(r"(?:.*_)?(?:wave|significant|tree|canopy|plant|body|patient)_.+")
_REDSHIFT = re.compile(r"(?:.+_)?redshifts?(?:_.+)?|z_?(?:spec|phot|best|sys|abs|em|cmb|hel|helio|final)")
_PERIOD = re.compile(
    r"(?!allele|minor|term|word|relative|cumulative)(?:.+_)?freq(?:uency|uencies)?(?:_[kmgt]?hz)?|f_?0(?:_[kmgt]?hz)?|"
    r"(?:.+_)?(?:period|p_?orb|orb_?per(?:iod)?|porb)(?:_?(?:d|days?|h|hours?|s|sec|min|yr))?|p_(?:d|days?|h|hours?|yr)"
)
_ANGLE = re.compile(
    r"(?:.+_)?(?:headings?|course|bearing|azimuth|azi|yaw|pitch|roll|inclination|incl?|omega|(?:mean|true|eccentric)_anomaly|"
    r"arg(?:ument)?_?peri\w*|wind_?dir(?:ection)?|wdir|direction|phase_?angle|position_?angle)(?:_(?:deg|degrees))?"
)
# Not reduced ones, which are divided by their degrees of freedom.
_CHI_SQUARE = re.compile(
    r"(?!red|norm|.*_(?:red|reduced|nu|dof|ndof|ndf|norm(?:alized)?|per|prob|pval)|r_)(?:.+_)?"
    r"(?:chi_?(?:sq(?:uared?)?|square|2)|chi2(?:min|best)?)(?!.*(?:red|dof|ndf|norm|prob))(?:_.+)?"
)
_WAVE_NUMBER = re.compile(r"nu|nu_?(?:obs|ul|ij|hz|ghz|mhz|cm)|wave_?num(?:ber)?s?")
_PARTS_PER_MILLION = re.compile(
    r"ppm|(?:chemical_|chem_)?shifts?(?:_ppm)?|(?:delta|cs|.*shifts?|.*(?:error|accuracy|diff(?:erence)?|deviation))_ppm"
)
# Of eigenvalues of a tensor fewer are below zero, by noise.
_SOME = 0.1
# Values beyond a full turn in radians are degrees.
_BEYOND_RADIANS = 6.3 + 0.1
_FULL_TURN = 360.5


def of_differences(variable: Variable, values: np.ndarray | None) -> Proposal | None:
    """Return what suits a column whose name or units say that shares of its values mean nothing; None for others.

    Parameters
    ----------
    values
        Physical ones, float64, NaN where there are none.
    """
    names, units = (spoken(variable.name), run_together(variable.name)), variable.units.strip()
    if _is_any(_LOG_PROBABILITY, names):
        return Proposal("{abs: 1.0e-2}", "a logarithm of a probability, of which differences count")
    if units.lower().startswith("db") and _LEVELS_IN.fullmatch(units):
        return Proposal("{abs: 5.0e-3}", "a level in decibels: a factor of 1.001")
    if _is_any(_LOGARITHM, names) or _LEVELS_IN.fullmatch(units):
        return Proposal("{abs: 5.0e-4}", "a logarithm: a factor of 1.001")
    if (by_states := of_states(variable, values)) is not None:
        return by_states
    if _is_any(_HEIGHT, names) and not _is_any(_WAVE, names):
        return Proposal("{range: 1.0e-5}", "a height, whose zero means nothing")
    if _is_any(_REDSHIFT, names):
        return Proposal("{abs: 1.0e-5}", "a redshift")
    if _is_any(_PERIOD, names) and not _is_any(_WAVE, names):
        return Proposal(LOSSLESS, "a period or frequency, from which phases are computed over many cycles")
    if _is_any(_ANGLE, names) and not units:
        return _angle(values)
    return _by_size(names, values)


def _by_size(names: tuple[str, str], values: np.ndarray | None) -> Proposal | None:
    """Return what suits quantities whose names may mean others, which are small."""
    known = np.abs(values[np.isfinite(values)]) if values is not None else np.zeros(0)
    if not known.size or np.median(known) < 1:
        return None
    if _is_any(_CHI_SQUARE, names):
        return Proposal("{abs: 1.0e-2}", "a chi-square, of which differences near 1 count")
    if _is_any(_WAVE_NUMBER, names):
        return Proposal(LOSSLESS, "a frequency or wave number, of which small differences count")
    if _is_any(_PARTS_PER_MILLION, names):
        return Proposal("{abs: 1.0e-4}", "parts per million of something large, of which differences count")
    return None


def of_states(variable: Variable, values: np.ndarray | None) -> Proposal | None:
    """Return what suits energies of molecules and crystals, columns and bands alike; None for others.

    Their zero is a convention, and differences of a millionth of them make chemistry. Energies of particles are positive.
    """
    names = spoken(variable.name), run_together(variable.name)
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    below = float(np.mean(known < 0)) if known.size else 0.0
    is_eigenvalue = below > _SOME and _is_any(_EIGENVALUES, names)
    if _is_any(_ENERGY_OF_STATES, names) or is_eigenvalue or (below == 1 and _is_any(_ENERGY, names)):
        return Proposal("{range: 1.0e-6}", "an energy whose zero is a convention: small differences count")
    return None


def _is_any(form: re.Pattern[str], names: tuple[str, str]) -> bool:
    return any(form.fullmatch(name) for name in names)


def _angle(values: np.ndarray | None) -> Proposal | None:
    """Return what suits an angle without units, in degrees or radians as its values tell."""
    known = np.abs(values[np.isfinite(values)]) if values is not None else np.zeros(0)
    largest = float(known.max(initial=0.0))
    if not known.size or largest > _FULL_TURN:
        return None
    if largest > _BEYOND_RADIANS:
        return Proposal("{abs: 5.0e-3}", "an angle, in degrees as its values tell")
    return Proposal("{abs: 1.0e-4}", "an angle")
