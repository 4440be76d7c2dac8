"""Determine the roles of columns from the names and descriptions of NanoAOD, HATS and pandas.

What names mean in most fields is known to the core; here are those that its conventions do not cover.
"""

from __future__ import annotations

import re

from baler_core import Role

# The first that fits counts; flags and counts are whole numbers.
NAMES: tuple[tuple[Role, str, str], ...] = (
    ("identifier", r"_?healpix_?\d*|_?hipscat_index|Norder|Dir|Npix", "HATS"),
    ("identifier", r"__index_level_\d+__", "pandas"),
    ("identifier", r"run|luminosityBlock|event|bunchCrossing|orbitNumber", "NanoAOD"),
    ("identifier", r"\w*(Idx[\dA-Z]?\w*)|\w+[_.](pdgId|genPartIdxMother|hadronFlavour|partonFlavour)", "NanoAOD"),
    ("count", r"n[A-Z]\w*|\w+_n[A-Z]\w*|PV_npvs(Good)?|Pileup_nPU", "NanoAOD"),
    ("weight", r"(LHE|PS|gen)?\w*[Ww]eights?(_\w+)?|genEventSumw\w*|LHE\w*Sumw\w*", "NanoAOD"),
    ("flag", r"\w+[_.](charge|status|statusFlags|cutBased\w*|genPartFlav|puId|filterBits|cleanmask|decayMode)", "NanoAOD"),
    ("flag", r"HLT_\w+|L1_\w+|Flag_\w+|\w+[_.](is|pass)[A-Z]\w*|\w+_tightCharge|\w+[_.]\w*Id(_WP\w*)?", "NanoAOD"),
)  # fmt: skip
COMPILED = tuple((role, re.compile(pattern), source) for role, pattern, source in NAMES)


def role_of(name: str, dtype: str) -> tuple[Role, str]:
    """Return the role of a column and the reason; empty where its name does not tell."""
    whole = dtype[1:2] in "iub"
    for role, pattern, source in COMPILED:
        if (whole or role not in ("count", "flag")) and pattern.fullmatch(name):
            return role, f"the name {name!r} ({source})"
    return "", ""
