"""Map names of variables to roles in their fields: one table, each row with its convention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Literal

from baler_core.data.variables import Role
from baler_core.machine.records import dataclass

Condition = Literal["whole", "1-D", "cased", "together", "sorted", "field", "profile"]


@dataclass(frozen=True)
class Convention:
    """One row: names of this form play this role.

    Attributes
    ----------
    form
        Regular expression for the whole name in lower case, its words joined by `_` (`lonCell` is `lon_cell`), without
        group, prefix of an object, or units in brackets; for `cased` rows the name as it stands.
    source
        The convention, and for whom.
    conditions
        `whole`: only if all values are whole numbers. `1-D`: only variables of one dimension longer than 1. `cased`: letters count.
        `field`: only variables of two dimensions or more. `profile`: only variables of two whose values rise or fall in each row.
        `sorted`: only if the values rise or fall throughout. `together`: only if another variable of the same group has a name of this form.
    """

    role: Role
    form: str
    source: str
    conditions: tuple[Condition, ...] = ()


_ANY = r"(?:.*_)?"
# As columns are headed after ISO 80000: `Time / s`, `t/ms`.
_OVER_UNIT = re.compile(r"(?P<bare>[^/]*\S)(?:\s+/\s+\S+|/(?i:m?s|min|h|[kcmunµ]?m|[kmg]?hz|[kmg]?ev|°|deg))")
# What TOPCAT, pandas and users put behind names of tables that they join.
_JOINED = r"(?:_(?:\d|[a-z]|gaia|sdss|2mass|wise|ps1|cat|ref))?"

CONVENTIONS = (
    # Of a measurement and its error, the error is told by what it adds to the name.
    Convention("uncertainty", r".+(?<!_over)_(?:err|error|errs|errors|unc|uncert|uncertainty|stderr|std|stddev|sigma)_?\d*(?:_?(?:up|down|low|high|lo|hi|lower|upper|plus|minus|pos|neg|stat|syst?|[lmnpu])|_[a-z])?", "suffixes of Gaia, NASA Exoplanet Archive, TESS, NanoAOD"),
    Convention("uncertainty", r"(?:err|error|unc|uncertainty)_.+", "prefixes of Fermi-LAT (Unc_) and SDSS (err_) catalogues"),
    Convention("uncertainty", r".+_(?:ivar|variance)", "SDSS and DESI inverse variances"),
    # When.
    Convention("time", _ANY + r"(?<!proper_)(?<!life_)(?<!decay_)(?<!exposure_)(?<!exp_)(?<!dead_)(?<!live_)(?<!drift_)(?<!rise_)(?<!fall_)(?:time|times|timestamp|timestamps|datetime|epoch|date)(?:_(?:[mnpfu]?s|secs?|seconds?|minutes?|hours?|days?|utc|gps|unix|local))?", "CF, FITS time coordinates (Rots et al. 2015), event data"),
    Convention("time", r"(?:.+_)?d_?time(?:_from_.+)?", "GHRSST: times from a reference time"),
    Convention("time", _ANY + r"(?:jd|(?:obs|h|t)?mjd|bjd|hjd|tjd|rjd|btjd|bkjd|juld|utc|tai|jdate|ref_epoch)(?:_tdb|_utc|_tcb|_tt)?(?:_?\d+)?", "Julian dates: FITS, AAVSO, Kepler, TESS, SDSS"),
    Convention("time", r"(?:b|h|m)?jd_.*", "Julian dates: AAVSO, TESS"),
    Convention("time", r"timecorr|barycorr|" + _ANY + r"time_?0(?:bk)?|tranmid|pl_tranmid|t0_?(?:bjd|jd|mjd)?", "Kepler, TESS, NASA Exoplanet Archive"),
    Convention("time", r"time_(?:counter|instant|peak|start|stop|begin|end|min|max|centered)|t_?start|t_?stop|date_?obs|obs_?date|unix_?time|gps_?time|gps_?seconds|c_?time|hist_start", "NEMO, WRF, Fermi-LAT, OGIP"),
    Convention("time", _ANY + r"time_(?:zero|offset|of_flight)|tof|tdc", "NeXus: events and pulses; digitisers"),
    Convention("time", r"(?:time|date)_(?:obs|avg|beg|utc|local|sec|mid)|(?:obs|acq|scan|sample|mid)_?times?|timestamp_.+|(?:unix_?|epoch_?)?t_?stamps?|unix_?ts|t_?(?:mid|end|stop)|m?jd_?(?:start|end|stop|mid|avg|obs)", "FITS, flux towers, logs"),
    Convention("time", r"(?:gps_?)?tow|time_of_week|(?:sod|seconds?_of_(?:day|week))|j_?day|julian_?days?|days_since.*|dec_?year|year_?frac(?:tion)?|hhmmss|yyyymmdd|date_?num|elapsed(?:_(?:time|m?s|secs?|seconds|min|minutes|h|hours|days))?|seconds|secs|msecs?|millis(?:econds)?|usecs?|lmst|gmst|hour_?angle|zeit|uhrzeit|datum|fecha|hora|heure|tiempo", "GNSS, MATLAB, logs, tables in other languages", ("1-D",)),
    Convention("time", r"epoch_?(?:obs|mean|ref|yr|year|jd|mjd|bjd|start|end|mid|peri(?:astron|helion)?)|(?:first|last|mean|min|max|disc(?:overy)?)_?(?:obs|epoch|m?jd)|(?:t|time|epoch)_?(?:of_?)?(?:peri(?:astron|helion|apsis)?|conj(?:unction)?)|pl_orbtper|t_?zero|t_?peak", "orbits, light curves, NASA Exoplanet Archive, alerts of surveys"),
    Convention("time", r"trig(?:ger)?_?time|bary_?time|gti_?(?:start|stop)|day_?of_?year|sec(?:s|onds?)?_?of_?day|ut_?sec(?:s|onds?)?|(?:created|updated)_?at|(?:seconds|minutes|hours)_since.*", "OGIP, satellites, logs", ("1-D",)),
    Convention("time", r"t_(?:s|ms|us|ns|sec|min|h|hr|d|days?)", "time with its unit in the name; T_s is a temperature", ("1-D", "cased")),
    Convention("time", r"start|stop", "OGIP good time intervals", ("1-D", "together")),
    Convention("time", r"year|month|day|night|hour|minute|second|doy|day_of_year|decimal_year", "columns of dates in tables", ("1-D",)),
    Convention("time", r"t", "time of a series", ("1-D", "cased")),
    Convention("time", r"(?:sc_?)?clock(?:_(?:time|ticks?|counts?))?|sclk|posix(?:_time)?|unix(?:_.+)?|gps|julian|d_?year|sow|seconds_of_week|ut1?|sec|n_?secs?|nanosecs?|nanoseconds|microsecs?|microseconds|sidereal(?:_.+)?|exp_?mid|mid_?exp|toas?", "spacecraft, LIGO, GNSS, pulsars", ("1-D",)),
    Convention("time", r"frames?|iter(?:ation)?s?|(?:time_?)?steps?|ticks?", "simulations, films, digitisers", ("whole",)),
    # Where.
    Convention("position", r"(?!pm_|mu_)" + _ANY + r"(?:ra|dec|raj2000|dej2000|decj2000|r_?adeg|d_?edeg|ra_?icrs|de_?icrs|dec_?icrs|ra_?deg|dec_?deg|ra_?rad|dec_?rad|ra_?fk5|dec_?fk5)" + _JOINED, "VizieR, Gaia, SDSS, Kepler, TESS catalogues, and joins of them"),
    Convention("position", r"(?:ra|dec|decl)_?(?:mean|stack|avg|median|epoch_?\d+|b1950|j1950)|" + _ANY + r"(?:right_?ascension|declination|decl)" + _JOINED, "Pan-STARRS, Gaia, ATLAS, tables"),
    Convention("position", r"(?:.+_)?(?:ra|dec)_?(?:targ(?:et)?|obj(?:ect)?|pnt|nom|tel|point(?:ing)?|ref|field|cent(?:er|re)|j_?2000|b_?1950|off(?:set)?)|(?:obj|tel|offset)_?(?:ra|dec)|(?:gal(?:actic)?_?[bl]|[bl]_?gal)(?:_(?:deg|rad))?|ec_?l(?:at|on)|g_?l(?:at|on)_(?:deg|rad)", "headers and catalogues of HST, XMM, RXTE, DESI"),
    Convention("position", r"(?:lat(?:itude|itud)?|lon(?:g|gitude|gitud)?)_?(?:d+|deg(?:_?[ne])?|degrees(?:_(?:north|east))?|decimal|wgs_?84|nad_?\d\d|etrs_?\d\d|rad|start|end|min|max|mean|avg|mid|cent(?:er|re)|first|last|origin|\d)|latitud|longitud|laenge|breite", "tables, also in other languages"),
    Convention("position", r"m_?(?:lat|lon|lt)|mag(?:netic)?_?(?:lat|lon|local_time)|l_?shell|(?:st|ev)(?:la|lo|dp|el)|chainage|mile_?post|km_?post", "satellites in the magnetosphere, SAC, roads"),
    Convention("position", r"az(?:im|imuth)?|el(?:ev|evation)?|alt(?:itude)?|za|zenith(?:_?(?:angle|dist(?:ance)?))?|ha", "where telescopes and radars look", ("1-D", "together")),
    Convention("position", r"(?:[a-eg-z]|hypo_?|epi_?)(?:lat|lon)|de_?deg|(?:hypo|focal|ev(?:ent)?)_?depth(?:_k?m)?", "earthquakes, ships, stations: slat and slon, olat and olon"),
    Convention("position", r"(?:loc|stage|coord|px|pix|col|row)_?[xyz]|[xyz]_?coord|[uv]_?(?:px|pix(?:el)?)|[xyz]c", "microscopes, images, grids", ("1-D", "together")),
    Convention("position", r"lambda|beta", "tables of ecliptic longitudes and latitudes", ("1-D", "together")),
    Convention("position", r"(?:.+_)?(?:start|end|begin|pos|bp)(?:_bp)?", "places in a genome: BED, GFF, VCF", ("1-D", "whole")),
    Convention("position", r"k_?[xyz]|sg[xyz]|location_?[xyz]|[xyz]_?(?:wcs|chip|ccd|px|pix(?:els?)?|cen|0)", "reciprocal space; places on an image", ("1-D", "together")),
    Convention("position", r"r_?a_?[hms]|d_?e_?c?_?[dms]", "VizieR: hours, minutes, seconds", ("1-D", "together")),
    Convention("position", r"alpha(?:win)?_j?2000|delta(?:win)?_j?2000|[xy](?:win)?_world", "SExtractor catalogues"),
    Convention("position", r"c[xyz]", "SDSS: directions as unit vectors", ("1-D", "together")),
    Convention("position", r"alpha|delta", "tables of right ascensions and declinations", ("1-D", "together")),
    Convention("position", r"[xy](?:win|peak)?_(?:image|pix|pixel|psf)|[xy]_?cent(?:er|re|roid)?", "SExtractor, photutils: places on an image", ("together",)),
    Convention("position", r"(?:det|raw|chip|tdet|foc|sky)_?[xy]", "OGIP: places of events on a detector, or on the sky", ("together",)),
    Convention("position", _ANY + r"(?:glon|glat|gal_?lon|gal_?lat|elon|elat|ecl_?lon|ecl_?lat|sgl|sgb)", "VizieR, Gaia, Fermi-LAT catalogues"),
    Convention("position", r"[lb]", "Gaia: galactic coordinates", ("1-D", "cased", "together")),
    Convention("position", _ANY + r"(?:nav_|x|t|u|v|geo)?(?:lon|lat|longitude|latitude|lons|lats|lng)(?:_?(?:\d?d|deg))?", "CF, NEMO, WRF, POP, tables"),
    Convention("position", r"(?:nav_|x|t|u|v|geo)?(?:lon|lat|long)(?:_?(?:cell|edge|vertex|t|u|v|m|rho|psi|c))?", "MPAS, ROMS, WRF, POP"),
    Convention("position", r"glam[tuvf]|gphi[tuvf]|(?:nav_)?lev|depth[tuvw]|rlon|rlat|[tu]long|[tu]lat", "NEMO, POP, rotated grids"),
    Convention("position", r"mapfac_.+|(?:sin|cos)_?alpha(?:_.*)?|e[123][tuvfw]_?\d*|d[xy][tuvfcq]o?|h_?t[en]|d[cv]_edge|angle_(?:rho|t|u|v|edge)|f_(?:cell|edge|vertex)", "scale factors and rotations of the grids of WRF, NEMO, MOM, POP, MPAS", ("field",)),
    Convention("position", r"p[mn]|angle|e|f|dndx|dmde", "ROMS, WRF: metric and rotation of a curvilinear grid", ("field", "together")),
    Convention("position", r"d[cv]_edge|angle_edge|f_(?:cell|edge|vertex)|[uvw]\d?_?coord|uvw|sta_?xyz|eff_(?:wave|band)", "MPAS; OIFITS and measurement sets: places in the plane of spatial frequencies"),
    Convention("position", r"(?:.+_)?(?:pos(?:ition)?_?[xyz]|[xyz]_?pos(?:ition)?)", "GATE, particle codes: places called so", ("together",)),
    Convention("position", r"(?:uu|vv|ww)(?:_(?:sin|ncp|l))?", "UVFITS, FITS-IDI: places in the plane of spatial frequencies", ("together",)),
    Convention("position", r"(?:.+_)?m(?:_over)?_?z(?:_(?:array|values?|list|mean|calc|exp|obs))?", "mass spectrometry: mzML, MGF, tables of peaks", ("1-D",)),
    Convention("position", r"(?:rest|line|spectral|transition)_?(?:freq(?:uency|uencies)?|wave(?:length|number)?s?)(?:_.+)?|rest_?fr(?:e?)q(?:_.+)?|wave_?num(?:ber)?s?(?:_.+)?|chemical_?shifts?(?:_.+)?", "lists of lines: HITRAN, CDMS, NMR", ("1-D",)),
    Convention("position", r"pseudo_?ranges?(?:_.+)?|carrier_?phases?(?:_.+)?|accumulated_?delta_?range.*", "GNSS: RINEX, Android's logs of raw measurements"),
    Convention("position", r"[CL][1-9][CSLXPWYMNIQABZ]", "GNSS: codes of RINEX 3", ("1-D", "cased", "together")),
    Convention("position", r"(?:utm_?)?(?:eastings?|northings?)(?:_(?:utm|m))?|utm_?[xyen]|[xy]_?utm", "surveys, LAS as text"),
    Convention("position", r"[xyz]_pixel_(?:offset|size)|(?:sample_)?detector_distance|polar_angle|azimuthal_angle", "NeXus: where the pixels of a detector are"),
    Convention("position", r"distance|(?:polar|azimuthal)_angle", "NeXus: where the pixels of a detector are", ("field", "together")),
    Convention("axis", r"r?d?zn[uw]|r?dn[uw]?w?|cs_[rw]|s_(?:rho|w)|hy[abp][mi]", "vertical coordinates of WRF, ROMS, CAM"),
    Convention("axis", r"[ab]k", "vertical coordinates of FV3", ("1-D", "together")),
    Convention("axis", r"(?:pres|pressure|depth|deph)(?:_adjusted)?", "Argo, OceanSITES: levels of profiles", ("profile",)),
    Convention("position", r"fixed_?angles?|ray_?(?:azimuth|elevation)s?", "CfRadial: where a radar looks"),
    Convention("mesh", r"[xyz]_(?:cell|edge|vertex|node|nodes|face|center|centre|centers|centres|grid|mesh|coord|coords|coordinate|coordinates)", "MPAS, Fluent (x-coordinate), UGRID"),
    Convention("mesh", r"spatial(?:_coords?)?|(?:mesh|node|grid|cell|vertex|point)_?(?:coords?|coordinates?|positions?|points|nodes|xyz|[xyz])(?:_[012xyz])?|coordinates?_?[xyz012]?|coords?_?[xyz012]?|xyz|vertices|nodes", "CGNS, Exodus, Plot3D, MED; AnnData (spatial)"),
    Convention("mesh", r"points(?:_[012xyz])?|cell_?cent(?:er|re)s?(?:_[012xyz])?", "ParaView (Points:0), OpenFOAM"),
    Convention("mesh", r"b_?box(?:es)?|bounding_?box(?:es)?|centroids?|k_?points?|kpts|lattice(?:_vectors?)?|unit_?cells?|cell_(?:lengths|angles|vectors)|box_?(?:lengths|vectors|size)", "boxes around objects, crystals and their reciprocal space"),
    Convention("mesh", r"elem|elems|elements?|connectivity|conn|tris?|triangles|tets?|quads?|faces|cells|simplices|e2n|t2n", "finite elements: indices of nodes", ("whole",)),
    Convention("mesh", r"[xyz]_(?:m|mm|cm|km|in|um|nm|angstroms?|au|k?pc|mpc|arcsec|deg)", "positions with their unit in the name, as CFD tables have them", ("1-D", "together")),
    Convention("cell_bounds", r"(?!n_).+_(?:bnds|bnd|bounds|vertices|corners|edges)|bounds_.+|(?:lon|lat)v", "CF cell bounds, NEMO, CICE"),
    Convention("cell_bounds", r"e_?min|e_?max|energ_lo|energ_hi|bin_?(?:lo|hi|low|high|min|max|edges?)|channel_?(?:min|max)", "OGIP EBOUNDS and response matrices", ("1-D", "together")),
    Convention("axis", r"(?:vacuum_|air_|log_?)?(?:wave|wavelengths?|lambda|lam|wave_?number|freq|frequency|frequencies|nu|energy|channel|bin|phase|lag)", "spectra of SDSS and the IVOA, histograms", ("1-D", "sorted")),
    Convention("axis", r"depths?|heights?|altitudes?|alt|levels?|lev|plev|pressures?|radius|radii|r|x|y|z|distance|angle|theta|scale|[xyz]_?(?:grid|axis|coords?)", "CF axes, profiles", ("1-D", "sorted")),
    Convention("axis", r"(?:depths?|heights?|altitudes?|distances?|radius|wavelengths?|wave|freq(?:uency)?|energy)_(?:[kcmun]?m|hpa|m?bar|dbar|[kmgt]?hz|[kmg]?ev|angstroms?)|(?:cal_?)?ages?(?:_(?:[kmg]?a|bp|k?yrs?|k?years?|myr|gyr|ce|cal_?bp|calbp))*", "tables with units in the names; cores of sediment and ice", ("1-D", "sorted")),
    Convention("axis", r"dept|md|tvd(?:ss)?|depth_(?:top|bottom|base|from|to|md)|(?:top|bottom|base)_?depth", "logs of wells, cores", ("1-D", "sorted")),
    # How many, how much each counts, which ones count.
    Convention("weight", _ANY + r"(?:weights?|wgts?|wt|xwgtup)(?:_.*)?|.*weights?|weighting", "NanoAOD, Delphes, HepMC, Les Houches files, openPMD"),
    Convention("weight", r"area_?(?:cell|triangle|edge|parcel)|kite_?areas?.*|cell_?(?:area|volume)s?|area_?cell[ao]|volcello|[tuqvc]_?area|grid_?area|remap_?matrix", "areas of cells of MPAS, CMIP, POP, ROMS; SCRIP and ESMF remapping"),
    Convention("weight", r"wht|scale_?factors?(?:_.*)?|.+_sf|x_?section|cross_?section|x_?sec|sum_?weights|" + _ANY + r"(?:sum_?w2?)", "HST drizzled images, ATLAS Open Data, normalisations of events"),
    Convention("mask", _ANY + r"(?:masks?|landmask|lsm|tmask|umask|vmask|(?:bad|hot|dead)_?pix(?:els?)?)", "CF, NEMO, images", ("whole",)),
    Convention("flag", _ANY + r"(?:flags?|quality|qual|dq|status|bits|bitmask|class|label|target|category|type|charge|pdg|pdg_?id|pid|sector|mother|daughter)", "FITS and NetCDF quality flags, NanoAOD, Kepler, TESS", ("whole",)),
    Convention("flag", r".+_q[acf]|" + _ANY + r"(?:dqf|q_?(?:c_?)?flags?|quality_(?:level|index|indicator|code|control))", "Argo, IMOS, MODIS, GOES, GHRSST, flux towers", ("whole",)),
    Convention("flag", r"land_?(?:cover|use|class)(?:_.+)?|i(?:vg|sl)typ|basins?|biomes?|eco_?regions?|water_?sheds?|catchments?|countr(?:y|ies)|count(?:y|ies)|provinces?|k(?:oe?|ö)ppen(?:_.+)?", "WRF, CMIP, maps of land use, regions and climates", ("whole",)),
    Convention("flag", r"(?:is|has|pass|use)_.+", "logical columns of tables", ("whole",)),
    Convention("count", r"n_.+|counts?_(?!rate).+|km[tuvw]|mbathy|(?:.*_)?num_.+|number_of_.+|" + _ANY + r"(?:counts?|multiplicity|mult|n_?hits|n_?dof|n_?events|n_?tracks|n_?obs|nobs)", "NanoAOD, PFJet, Gaia (n_obs)", ("whole",)),
    Convention("count", r"n[A-Z].*|N[A-Z][a-z].*|n(?:hits|jets|tracks|muons|electrons|obs|points|events)", "NanoAOD (nJet), tables", ("whole", "1-D", "cased")),
    Convention("identifier", r"seg(?:map|mentation)?(?:_?map|_?image)?|labels?|islands|blobs|regions?|clusters?|domains?", "segmentation maps of photutils, SExtractor, JWST; partitions", ("whole",)),
    Convention("identifier", _ANY + r"(?:id|ids|idx|index|indices|number|no|nr|uid|key|serial|designation)|.+id|particle_?ids", "generic", ("whole",)),
    Convention("identifier", r"obj_?id|source_?id|spec_?obj_?id|kep_?id|kic|tic|hip|hd|epic|tyc\d?|recno|objno|star_?id|solution_id|random_index|cadence_?no|fiber|plate|camcol|rerun", "VizieR, Gaia, SDSS, Kepler, TESS", ("whole",)),
    Convention("identifier", r"samples?|specimen|persons?|household|encounter|subj|trial|gene|transcript|chrom(?:osome)?|residue|res_?(?:num|seq|name)|atoms?|mol(?:ecule)?|model_no|conf(?:ormer)?|cas|pdb|doi|strand|post_?code|lot|batch|grp|groups?|rec(?:ord)?|mjd_?plate|fill", "people, genes, molecules, lots", ("whole", "1-D")),
    Convention("identifier", r"trace|shot|cdp|ffid|in_?line|cross_?line|[ix]_?line|scan|hit|track|voxel|cell|zone|row|col(?:umn)?|line", "seismic surveys, detectors, grids", ("whole", "1-D")),
    Convention("identifier", r"zip(?:_?code)?|postal_?code|fips|bar_?code|node|proc|rank|hash|seed|subject|patient|participant|case|station|site|chan(?:nel)?|ccd|chip|det(?:ector)?|module|tower|crystal|bank|spill|parent|layer|wire|strip|plane|halo|snap_?num(?:ber)?|visit|tract|patch|i?pix(?:el)?|healpix\w*|(?:ring|nest)_index|gaia_?e?dr\d|account|isbn|sku|cusip|evt_?num", "detectors, simulations, surveys, tables of persons and places", ("whole",)),
    Convention("identifier", r"run|event|evt|lumi|luminosity_?block|ls|bx|orbit|entry|run_?number|event_?number|evt_?number|lumi_?section", "NanoAOD, event data", ("whole",)),
)  # fmt: skip

_MEASURED = re.compile(
    _ANY
    + r"(?:(?:.*flux|flx|mag|magnitude|temp|temperature|t_?eff|pressure|press|pres|slp|humidity|density|velocity|speed|"
    r"wind|intensity|brightness|current|voltage|power|force|stress|mass|energy|salinity|psal|rainfall|precipitation|"
    r"concentration|ph)(?:_.*)?|(?:t|p|rho|q|ta|tas|t2m|sst|theta|msl|psl|ps|sal)(?:_?\d+)?)"
)
"""Names of quantities that may stand far from zero and are neither places nor times all the same."""

_COMPILED = tuple((row, re.compile(row.form)) for row in CONVENTIONS)
_CASED = tuple((row, pattern) for row, pattern in _COMPILED if "cased" in row.conditions)


@cache
def _any_spoken() -> re.Pattern[str]:
    """Compile the forms of all rows whose letters do not count into one, which tells soon that a name has none of them."""
    return re.compile("|".join(f"(?:{row.form})" for row in CONVENTIONS if "cased" not in row.conditions))


def names_quantity(name: str) -> bool:
    """Return whether a name is one of quantities that are measured, such as fluxes and temperatures."""
    return any(_MEASURED.fullmatch(form) for form in (spoken(name), run_together(name)))


def base_name(name: str) -> str:
    """The name itself: without the groups or objects it lies in, and without units in brackets (`[s]`) and versions (`SCI,2`)."""
    over_unit = _OVER_UNIT.fullmatch(name) if "/" in name else None
    inner = name.rpartition("/")[2] if over_unit is None else over_unit["bare"]
    if inner[:1] == "z" and re.search(r"(?:^|[^A-Za-z])m/$", name[: -len(inner)]):
        inner = f"m_{inner}"  # of ions, and no group called m
    bare = re.sub(r"\s*[\[(][^\[\]()]*[\])]|,\d+$", "", inner).strip()
    return bare.rpartition(".")[2] or bare


def spoken(name: str) -> str:
    """Its words in lower case, joined by `_`: `lonCell` is `lon_cell`, `BJD - 2457000 [d]` is `bjd_2457000`."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", base_name(name))
    split = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", split)
    return _joined(split)


def run_together(name: str) -> str:
    """Return the same without a break where only the case of letters changes: `ObjID` is `objid`."""
    return _joined(base_name(name))


def _joined(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")


def conventions_for(name: str) -> Iterator[tuple[Convention, re.Pattern[str]]]:
    """Yield the rows whose form the name has, first the most telling."""
    yield from _conventions_for(name)


@lru_cache(maxsize=1 << 13)
def _conventions_for(name: str) -> tuple[tuple[Convention, re.Pattern[str]], ...]:
    forms = (spoken(name), run_together(name))
    rows = _COMPILED if any(map(_any_spoken().fullmatch, forms)) else _CASED
    return tuple((row, pattern) for row, pattern in rows if has_form(name, forms, row, pattern))


def has_form(name: str, forms: tuple[str, str], row: Convention, pattern: re.Pattern[str]) -> bool:
    """Return whether a name, whose two spoken forms are given, has the form of a row."""
    if "cased" in row.conditions:
        return pattern.fullmatch(base_name(name)) is not None
    return any(pattern.fullmatch(form) for form in forms)
