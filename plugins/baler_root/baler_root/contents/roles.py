"""Determine the roles of variables from the names and titles of NanoAOD, PHYSLITE and Delphes."""

from __future__ import annotations

import re
from typing import TypedDict

from baler_core import Role


class FoundRole(TypedDict):
    """A role, and the reason for it."""

    role: Role
    reason: str


# Names of NanoAOD, then of PHYSLITE, then of Delphes and ROOT; the first that fits a name without its folders counts.
NAMES: tuple[tuple[Role, str], ...] = (
    ("count", r"n[A-Z]\w*"),
    ("identifier", r"run|luminosityBlock|event|bunchCrossing|orbitNumber"),
    ("weight", r"(LHE|PS|gen)?\w*[Ww]eights?(_\w+)?|genEventSumw2?(_\w*)?|LHE\w*Sumw(_\w*)?|sumOf\w*Weights\w*"),
    ("weight", r"genEventSumw\w*|\w*SumOfWeights\w*|LHEWeight_originalXWGTUP"),
    ("count", r"genEventCount(_\w*)?|\w+_n[A-Z]\w*|PV_npvs(Good)?|Pileup_nPU"),
    ("identifier", r"\w*(Idx[\dA-Z]?\w*|Index)|\w+_(pdgId|genPartIdxMother|jetId|hadronFlavour|partonFlavour)"),
    ("flag", r"\w+_(charge|status|statusFlags|cutBased\w*|pdgId|genPartFlav|puId|filterBits|cleanmask|decayMode)"),
    ("flag", r"HLT_\w+|L1_\w+|Flag_\w+|\w+_(is|pass)[A-Z]\w*|\w+_tightCharge|\w+_\w*Id(_WP\w*)?"),
    ("identifier", r"\w+Aux\w*\.(runNumber|eventNumber|lumiBlock|bcid|mcEventNumber|mcChannelNumber|\w*[bB]arcode)"),
    ("identifier", r"\w+Aux\w*\.(\w*pdgId|\w*uniqueID|\w*(PersKey|PersIndex|m_persKey|m_persIndex))"),
    ("weight", r"\w+Aux\w*\.(\w*[wW]eights?)"),
    (
        "flag",
        r"\w+Aux\w*\.(\w*[sS]tatus|\w*charge|\w*[fF]lags?|\w*[tT]ype|\w*Decision\w*|passes\w+|DFCommon\w*(Loose|Tight)\w*)",
    ),
    ("identifier", r"\w+\.(PID|Number|ProcessID|fUniqueID|M1|M2|D1|D2|Trigger)"),
    ("flag", r"\w+\.(fBits|Status|IsPU|IsRecoPU|Charge|BTag\w*|TauTag|Flavor\w*)"),
    ("weight", r"\w+\.(Weight|CrossSection|CrossSectionError|ScalePDF)"),
    ("identifier", r"fUniqueID"),
    ("flag", r"fBits"),
)
COMPILED = tuple((role, re.compile(pattern)) for role, pattern in NAMES)
COUNT_TITLE = re.compile(r"number of |.*\bmultiplicity\b", re.IGNORECASE)
INDEX_TITLE = re.compile(r"index (of|to|into) |.*\b(PDG id|unique id)\b", re.IGNORECASE)
BITS_TITLE = re.compile(r".*\b(bitmap|bit ?mask|flags?, bits?|bits are)\b", re.IGNORECASE)


def role_of(name: str, title: str, dtype: str) -> FoundRole:
    """Return the role of a variable and the reason; empty where neither name nor title determines it.

    Parameters
    ----------
    name
        Of the variable, with the branches it stands below.
    title
        Of its branch.
    dtype
        Counts and flags are whole numbers.
    """
    short = name.rpartition("/")[2]
    whole = dtype[1:2] in "iub"
    for role, pattern in COMPILED:
        if (whole or role not in ("count", "flag")) and pattern.fullmatch(short):
            return {"role": role, "reason": f"the name {short!r}"}
    by_title: tuple[tuple[Role, re.Pattern[str]], ...] = (
        ("count", COUNT_TITLE),
        ("identifier", INDEX_TITLE),
        ("flag", BITS_TITLE),
    )
    for role, pattern in by_title:
        if whole and pattern.match(title):
            return {"role": role, "reason": f"the title {title!r}"}
    return {"role": "", "reason": ""}
