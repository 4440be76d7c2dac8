"""Codes the integers of one band in a fraction of the time: one context for each, what is known found band by band."""

from __future__ import annotations

import numpy as np

from baler_core.arithmetic import ENCODING, Coder
from baler_core.builtin.models.magnitudes import BINS, NODES, bit_length, code_magnitude, code_simply, logarithmic
from baler_core.builtin.models.transform.contexts import (
    LARGEST,
    LONGEST_RUN,
    RUNS,
    SHORTEST_RUN,
    Memory,
    Views,
    sign_place,
)
from baler_core.builtin.models.transform.surroundings import hinted_family
from baler_core.compiled import Array, Integer, compiled, inlined


@compiled
def expect(views: Views, band: Array, totals: Array, families: Array) -> None:
    """What other slices and the parent band say of each place of a band: a sum of magnitudes, and which family it is of.

    Where hints take the place of the second slice, they choose the family.
    """
    others, own = views.others, views.own
    for z in range(totals.shape[0]):
        pz = min(band[6] + (z >> band[12]), band[9] - 1)
        for y in range(totals.shape[1]):
            za, ya, py = z + band[0], y + band[1], min(band[7] + (y >> band[13]), band[10] - 1)
            for x in range(totals.shape[2]):
                xa = x + band[2]
                totals[z, y, x] = 2 * (others[0, za, ya, xa] + others[2, za, ya, xa])
                families[z, y, x] = band[16]
            if band[25]:
                for x in range(totals.shape[2]):
                    families[z, y, x] = hinted_family(others[1, za, ya, x + band[2]])
            elif band[18]:
                for x in range(totals.shape[2]):
                    totals[z, y, x] += others[1, za, ya, x + band[2]]
            if band[15]:
                for x in range(totals.shape[2]):
                    px = min(band[8] + (x >> band[14]), band[11] - 1)
                    totals[z, y, x] += (own[pz, py, px] * 7) >> 4


@compiled
def look_above(near: Array, z: Integer, y: Integer, totals: Array, above: Array, quiet: Array) -> None:
    """What the coded rows say of a row, and how many places from each on have nothing but zeros about them."""
    zn, yn, count = z + 2 if near.shape[0] > 1 else z, y + 2, above.size
    for x in range(count):
        above[x] = 4 * near[zn, yn - 1, x + 2] + near[zn, yn - 2, x + 2]
        above[x] += 2 * (near[zn, yn - 1, x + 1] + near[zn, yn - 1, x + 3])
    if near.shape[0] > 1:
        for x in range(count):
            above[x] += 4 * near[zn - 1, yn, x + 2] + near[zn - 2, yn, x + 2] + near[zn - 1, yn - 1, x + 2]
            above[x] += near[zn - 1, yn + 1, x + 2] + near[zn - 1, yn, x + 1] + near[zn - 1, yn, x + 3]
    run = 0
    for x in range(count - 1, -1, -1):
        run = 0 if above[x] or totals[z, y, x] else run + 1
        quiet[x] = run


@compiled
def code_band_quickly(coder: Coder, memory: Memory, views: Views, band: Array) -> None:
    """Write or read all integers of a band without mixing, in order of z, y, x."""
    registers, data = coder
    counters, signs, empty, weights = memory
    values, nearest, beside = views.values, views.nearest, views.beside
    nz, ny, nx = band[3] - band[0], band[4] - band[1], band[5] - band[2]
    totals, families = np.empty((nz, ny, nx), np.int32), np.empty((nz, ny, nx), np.int8)
    near = np.zeros((nz + 4 if nz > 1 else nz, ny + 4, nx + 4), np.int32)
    above, quiet = np.zeros(nx, np.int32), np.zeros(nx, np.int32)
    places, inputs = np.zeros(1, np.int64), np.zeros(1, np.int32)
    expect(views, band, totals, families)
    weight, own_scale, scale = band[21], band[20], band[22]
    for z in range(nz):
        for y in range(ny):
            look_above(near, z, y, totals, above, quiet)
            za, ya, first = z + band[0], y + band[1], band[2]
            x, resume = 0, 0
            west = far = np.int64(0)
            while x < nx:
                if quiet[x] >= SHORTEST_RUN and x >= resume and west + far == 0:
                    resume = x + min(quiet[x], LONGEST_RUN)
                    wanted = lively_run(values, za, ya, first + x, first + resume) if registers[ENCODING] else 0
                    place = RUNS + band[17] * 4 + bit_length(resume - x) - 4
                    if code_simply(registers, data, empty, place, wanted) == 0:
                        x = resume
                        continue
                value = np.int64(values[za, ya, first + x])
                local = ((above[x] + 4 * west + 2 * far) * own_scale) >> 16
                chosen = logarithmic(((totals[z, y, x] + local * weight) * scale) >> 16)
                places[0] = (families[z, y, x] * BINS + chosen) * NODES
                size = code_magnitude(registers, data, counters, weights, places, inputs, 0, 0, abs(value), 0)
                far, west = west, np.int64(min(size, LARGEST))
                if size:
                    place = sign_place(values, nearest, beside, band, za, ya, first + x)
                    negative = code_simply(registers, data, signs, place, 1 if value < 0 else 0)
                    values[za, ya, first + x] = -size if negative else size
                    near[z + 2 if nz > 1 else z, y + 2, x + 2] = west
                x += 1


@inlined
def lively_run(values: Array, z: Integer, y: Integer, first: Integer, end: Integer) -> Integer:
    """1 if anything in a stretch of a row differs from zero."""
    for x in range(first, end):
        if values[z, y, x]:
            return 1
    return 0
