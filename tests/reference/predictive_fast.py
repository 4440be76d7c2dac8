"""Values by the stencil alone and frequency tables (format/predictive.md: fast)."""

from __future__ import annotations

from reference.arithmetic import Decoder
from reference.mixing import first_of, quarter_octave
from reference.predictive_series import BEFORE, BESIDE, FRACTION_BITS, NEIGHBOURS, OWN, Series
from reference.reading import Bytes
from reference.symbols import MOST_EXPECTED, Symbols

LINES, FRACTIONS, SIGN_SETS, SIGNS = 8, 4, 4, 9 * 8 * 3
ERROR_BITS, MOST_ERROR = 10, 1 << 18
HALF_STEP = 1 << (FRACTION_BITS - 1)
INVERTED = ((1, 5, 3), (0, 2, 3), (0, 2, 4))


def code_fast(coder: Decoder, stream: Bytes, series: Series) -> None:
    symbols = Symbols(coder, stream, LINES, SIGN_SETS * SIGNS)
    for number in range(series.slices):
        for variable in range(series.variables):
            sources = series.sources(number, variable)
            _slice(symbols, series, sources, variable)
            series.close_plane(sources[OWN])


def _slice(symbols: Symbols, series: Series, sources: list[int], variable: int) -> None:
    own, temporal = sources[OWN], int(sources[BEFORE] >= 0)
    stencil = series.stencils[variable][temporal][0]
    terms = [
        ((sources[source] - own) * series.size + y * series.width + x, stencil[feature])
        for feature, (source, y, x) in enumerate(NEIGHBOURS)
        if sources[source] >= 0 and stencil[feature]
    ]
    base = (sources[BEFORE] - own) * series.size if temporal else -1
    terms.append((base, (1 << series.weight_bits) - sum(weight for _, weight in terms)))
    others = [(source - own) * series.area for source in (sources[BEFORE], sources[BESIDE]) if source >= 0]
    share = (3 << ERROR_BITS) // (14 * (3 + 2 * len(others)))
    line = min(variable, LINES - 1) if series.closed else min(variable, 1) * FRACTIONS
    signs = min(variable, SIGN_SETS - 1) * SIGNS
    planes, errors = series.planes, series.errors
    series.open_slice(own, sources[BEFORE])
    for y in range(series.ny):
        series.open_row(own, y)
        left = 0
        for x in range(series.nx):
            place, here = series.place(own, y, x), series.error_place(own, y, x)
            mean = sum(weight * planes[place + step] for step, weight in terms) >> series.weight_bits
            mean = min(max(mean, series.low), series.high)
            actual = mean if series.closed else (mean + HALF_STEP) >> FRACTION_BITS << FRACTION_BITS
            planes[place] = actual
            if series.holes[(own * series.ny + y) * series.nx + x]:
                continue
            fraction = (mean - actual) >> (FRACTION_BITS - 6)
            expected = _expected(errors, here, series.pitch, others, share)
            symbol = symbols.symbol(line + min(3, abs(fraction) >> 3), expected)
            size = symbols.magnitude(symbol)
            if symbol:
                side = 1 + (fraction > 0) - (fraction < 0)
                pattern = INVERTED[side][left]
                chosen = quarter_octave(min(expected, MOST_EXPECTED))
                context = 3 * (((abs(fraction) + 2) >> 2) * 8 + min(7, chosen >> 2)) + (pattern >> 1)
                negative = symbols.bit(signs + context) ^ (pattern & 1)
                planes[place] = actual + ((-size if negative else size) << FRACTION_BITS)
                left = 1 + negative
            else:
                left = 0
            nearest = abs(fraction) >> 2
            errors[here] = min(max((first_of(symbol) << 4) - nearest, nearest), MOST_ERROR)
        series.close_row(own, y)


def _expected(errors: list[int], here: int, pitch: int, others: list[int], share: int) -> int:
    """The error that is expected, in 1/16 of a step."""
    total = 4 * errors[here - 1] + errors[here - 2] + 4 * errors[here - pitch] + errors[here - 2 * pitch]
    total = (total + 2 * (errors[here - pitch - 1] + errors[here - pitch + 1])) * share
    for other in others:
        there = here + other
        edge = sum(errors[there + step] for step in (-1, 1, -pitch, pitch))
        total += ((4 * errors[there] + edge) >> 2) * (14 * share // 3)
    return total >> ERROR_BITS
