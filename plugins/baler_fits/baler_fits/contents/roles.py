"""Determine the role of an image or a column from its header, and the card that defines it.

Sources: FITS standard 4.0 (sections 7 to 9: columns, WCS, time), the UCD1+ word list of the IVOA (version 1.5) and the
older UCD1 that VizieR used, OGIP memos (HDUCLAS, GTI, EBOUNDS), and the extension names of HST, JWST, DES and SDSS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from baler_core import Role
from baler_fits.contents.dimensions import SPECTRAL, TIME
from baler_fits.contents.fields import RowField
from baler_fits.contents.headers import Keywords

RoleReason = tuple[Role, str]
NO_ROLE: RoleReason = ("", "")

# UCDs by the start of their first word; the first that fits counts. UCD1+ words have dots, UCD1 words underscores.
UCDS: tuple[tuple[str, Role], ...] = (
    ("meta.id", "identifier"), ("meta.record", "identifier"), ("meta.code", "flag"), ("meta.flag", "flag"),
    ("meta.number", "count"), ("stat.error", "uncertainty"), ("stat.stdev", "uncertainty"),
    ("stat.variance", "uncertainty"), ("stat.weight", "weight"), ("time.epoch", "time"), ("time.start", "time"),
    ("time.end", "time"), ("pos.pm", "measured"), ("pos.parallax", "measured"), ("pos.distance", "measured"),
    ("pos.errorellipse", "uncertainty"), ("pos.posang", "measured"), ("pos", "position"), ("phot", "measured"),
    ("phys", "measured"), ("spect", "measured"), ("src", "measured"),
    ("id_", "identifier"), ("code_", "flag"), ("number", "count"), ("error", "uncertainty"), ("weight", "weight"),
    ("time_date", "time"), ("time_epoch", "time"), ("pos_eq_pm", "measured"), ("pos_parlx", "measured"),
    ("pos_", "position"), ("phot_", "measured"), ("phys_", "measured"), ("spect_", "measured"),
)  # fmt: skip
# Extension names, whole or between underscores.
EXTENSIONS: tuple[tuple[str, Role], ...] = (
    (r"DQ\d?|DQF|FLAGS?|QUALITY|PIXELDQ|GROUPDQ|DQ_.*", "flag"),
    (r"MASKS?|BPM|BADPIX|MSK|.*_MASK|MASK_.*", "mask"),
    (r"ERR|ERRORS?|ERRS|VAR|VARIANCE|VAR_.*|SIGMA|STD|STDEV|STDDEV|RMS|NOISE|UNCERT|UNCERTAINTY|.*(?<!_OVER)_(ERR|VAR)", "uncertainty"),
    (r"WHT|WT|WEIGHTS?|IVAR|INVVAR|EXPMAP|EXPOSURE|EXPTIME|COVERAGE|.*_(WHT|WEIGHT|IVAR)", "weight"),
    (r"WCSDVARR|D2IMARR|WCSCORR", "position"),
    (r"WAVE|WAVELENGTH|LAMBDA|LOGLAM|.*_(WAVE|WAVELENGTH)", "axis"),
)  # fmt: skip
# Column names; the unit must be an angle for positions.
COLUMNS: tuple[tuple[str, Role], ...] = (
    (r"(SOURCE|SRC|OBJ|OBJECT|SPEC|PHOTO|CAT|STAR|EVENT|RUN|FIELD|DETECTOR|TIC|KIC|EPIC|TARGET|DR\d)_?ID|ID|SOLUTION_ID|CADENCENO|KEPLERID|TICID", "identifier"),
    (r"(.*_)?(QUALITY|DQ|FLAGS?|STATUS)|FLAG_.*|BITMASK|.*_FLAGS?", "flag"),
    (r"(.*_)?MASK", "mask"),
    (r"(ENERG|ENERGY|E|THETA|PHI|BIN|WAVE|FREQ)_(LO|HI|MIN|MAX)", "cell_bounds"),
    (r".*(?<!_OVER)_(ERR|ERROR|ERRS|SIGMA|UNC|STDDEV|STDEV)|(ERR|SIG|SIGMA|UNC)_.*|ERROR|STAT_ERR|SYS_ERR", "uncertainty"),
    (r"WEIGHTS?|IVAR|.*_IVAR|WHT", "weight"),
    (r"CHANNEL|PHA_CHANNEL|LOGLAM|WAVELENGTH|WAVE|LAMBDA", "axis"),
)  # fmt: skip
POSITIONS = re.compile(r"(_?(RA|DE|DEC|DECL|LON|LAT|GLON|GLAT|ELON|ELAT|L|B)(J?2000|B?1950|_?ICRS|_?DEG|DEG|DR\d)?|(RA|DE|DEC|GLON|GLAT|ELON|ELAT|L|B)_.*|.*_(RA|DEC|GLON|GLAT|LON|LAT)|ALPHA.*|DELTA.*)$")  # fmt: skip
ERRORS = re.compile(r"(.*_(ERR|ERROR)|[ES]_.*|(SIG|SIGMA|ERR|UNC)_.*)$")
ANGLES = frozenset({"deg", "degree", "degrees", "rad", "radian", "hourangle", "hour", "h"})
# Names of times, and units that name a zero point ("BJD - 2457000, days").
TIMES = re.compile(r"(TIME|TSTART|TSTOP|START|STOP|(.*_)?[MBHT]?JD(_.*)?|MJD.*|BJD.*|HJD.*|BTJD|BKJD|EPOCH|DATE(_OBS)?|TIMECEN|TIME_(START|STOP|OBS))$")  # fmt: skip
TIME_UNITS = frozenset({"s", "sec", "second", "seconds", "min", "h", "d", "day", "days", "a", "yr", "year", "cy", "ms"})
ZERO_POINT = re.compile(r"\b([MBHTR]?JD|BTJD|BKJD)\b")
COUNTS = frozenset({"count", "counts", "ct", "photon", "photons", "ph"})


@dataclass(frozen=True)
class FieldPlace:
    """Where a field stands.

    Attributes
    ----------
    hdu
        The name of its HDU.
    columns
        Names of the HDU's columns, in upper case.
    lookup
        Whether the WCS of another HDU looks up coordinates here (`-TAB` axes).
    """

    keywords: Keywords
    hdu: str
    columns: frozenset[str] = frozenset()
    lookup: bool = False


def role_of_column(place: FieldPlace, one: RowField) -> RoleReason:
    """Return what a table column is."""
    keywords, n, name = place.keywords, one.column, one.name.upper()
    if place.lookup:
        return "axis", f"coordinates that a WCS axis looks up (EXTNAME {place.hdu!r})"
    if ucd := keywords.text(f"TUCD{n}").strip().lower():
        stated = _of_ucd(ucd)
        if stated[0]:
            return stated
    if "spectralaxis" in (utype := keywords.text(f"TUTYP{n}")).lower():
        return "axis", f"TUTYP{n} {utype!r}"
    if kind := keywords.text(f"TCTYP{n}").upper().split("-")[0].strip():
        return _of_axis(kind, f"TCTYP{n} {keywords.text(f'TCTYP{n}')!r}")
    if time := _time(place, one):
        return time
    if one.units.strip().lower() in ANGLES and POSITIONS.match(name) and not ERRORS.match(name):
        return "position", f"TTYPE{n} {one.name!r} in {one.units}"
    if name.startswith("E_") and name[2:] in place.columns:
        return "uncertainty", f"TTYPE{n} {one.name!r} beside {one.name[2:]!r}"
    return _by_table(COLUMNS, name, f"TTYPE{n} {one.name!r}", integer=one.stored.kind in "iu")


def _of_ucd(ucd: str) -> RoleReason:
    """Return the role by a unified content descriptor: an error of anything is an error, else the first word counts."""
    words = [word.strip() for word in ucd.split(";")]
    if any(word.startswith(("stat.error", "stat.stdev", "stat.variance")) for word in words):
        return "uncertainty", f"UCD {ucd!r}"
    return next(((role, f"UCD {ucd!r}") for start, role in UCDS if words[0].startswith(start)), NO_ROLE)


def _of_axis(kind: str, reason: str) -> RoleReason:
    """Return the role by a coordinate type of the WCS (CTYPE, TCTYP)."""
    if kind in TIME:
        return "time", reason
    return ("axis" if kind[:4] in SPECTRAL else "position"), reason


def _time(place: FieldPlace, one: RowField) -> RoleReason | None:
    """Whether a column holds times: by its unit, or by its name in an HDU that defines how time is counted."""
    keywords, n, unit = place.keywords, one.column, one.units.strip()
    if ERRORS.match(one.name.upper()) or one.is_text:
        return None
    if ZERO_POINT.search(unit.upper()):
        return "time", f"TUNIT{n} {unit!r}"
    if not TIMES.match(one.name.upper()) or (unit and unit.lower() not in TIME_UNITS):
        return None
    classes = {keywords.text(f"HDUCLAS{k}").upper() for k in (1, 2)}
    if place.hdu.upper().partition(",")[0].endswith("GTI") or "GTI" in classes:
        return "time", f"a table of good time intervals ({place.hdu})"
    for keyword in ("MJDREF", "MJDREFI", "JDREF", "JDREFI", "DATEREF", "BJDREFI", "TIMESYS", "MJD-OBS", "DATE-OBS"):
        if keywords.get(keyword) is not None:
            return "time", f"TTYPE{n} {one.name!r}, and {keyword} defines how time is counted"
    return "time", f"TTYPE{n} {one.name!r}" + (f" in {unit}" if unit else "")


def role_of_image(place: FieldPlace, one: RowField, axes: tuple[str, ...]) -> RoleReason:
    """Return what an image or cube is.

    Parameters
    ----------
    axes
        What its axes are, as far as the WCS tells.
    """
    keywords = place.keywords
    name = keywords.text("EXTNAME").upper()
    classes = " ".join(keywords.text(f"HDUCLAS{k}").upper() for k in (2, 3))
    if "ERROR" in classes or "VARIANCE" in classes:
        return "uncertainty", f"HDUCLAS2 {classes.strip()!r}"
    if "QUALITY" in classes or "MASK" in classes:
        return "mask", f"HDUCLAS2 {classes.strip()!r}"
    if place.lookup:
        return "axis", f"coordinates that a WCS axis looks up (EXTNAME {place.hdu!r})"
    stated = _by_table(EXTENSIONS, name, f"EXTNAME {name!r}")
    if stated[0]:
        return stated
    unit = one.units.strip().lower()
    whole = one.stored.kind in "iu" and (one.packing.scale, one.packing.offset) == (1.0, 0.0)
    if whole:
        return ("count", f"whole numbers in {one.units}") if unit in COUNTS else NO_ROLE
    if unit:
        return "measured", f"an image in {one.units}"
    known = [f"CTYPE{n}" for n in range(1, len(axes) + 1) if keywords.text(f"CTYPE{n}")]
    return ("measured", f"an image with {' and '.join(known[:2])}") if len(known) > 1 else NO_ROLE


def role_of_parameters(keywords: Keywords) -> RoleReason:
    """Return what the parameters of random groups are: baselines and dates, all in one array."""
    names = [keywords.text(f"PTYPE{n}") for n in range(1, keywords.whole("PCOUNT") + 1)]
    return "axis", f"parameters of random groups ({', '.join(name for name in names[:6] if name)})"


def looked_up(headers: list[Keywords]) -> set[str]:
    """Return the EXTNAMEs, in upper case, of tables in which WCS axes look up coordinates (PSi_0, paper III)."""
    found: set[str] = set()
    for keywords in headers:
        for n in range(1, 10):
            if keywords.text(f"CTYPE{n}").upper().endswith("-TAB"):
                found.add(keywords.text(f"PS{n}_0").strip().upper())
    return found - {""}


def _by_table(table: tuple[tuple[str, Role], ...], name: str, reason: str, *, integer: bool = True) -> RoleReason:
    for pattern, role in table:
        if role == "flag" and not integer:
            continue
        if re.fullmatch(pattern, name):
            return role, reason
    return NO_ROLE
