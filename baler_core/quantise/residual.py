"""Code residuals for any predicting model: restored = prediction + 2 * tolerance * integer, and the integers to bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.sides import Reach, keep_off
from baler_core.entropy.integers import pack_checked, pack_integers, unpack_checked, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.steps import around_zero, half_step, relative_half_step

_CODE_LIMIT = 2.0**51


class ResidualStep(NamedTuple):
    """How a variable's residual is quantised.

    Attributes
    ----------
    step
        Distance of two restored values; twice the tolerance less what rounding to the output dtype takes.
        0 if the tolerance leaves no room, so that values must be stored exactly.
    log
        Whether the residual is taken between logarithms of magnitudes (point-wise relative bounds).
    """

    step: float
    log: bool = False


def residual_step(tolerance: Tolerance, dtype: np.dtype, largest: float) -> ResidualStep:
    """Return the step for values of `dtype` not larger than `largest` in magnitude."""
    if tolerance.kind == "abs":
        radius, spare = half_step(tolerance.value, dtype, largest)
        enough = np.isfinite(radius) and radius > spare and largest / radius < _CODE_LIMIT
        return ResidualStep(2 * radius if enough else 0.0)
    if tolerance.kind == "rel" and dtype.kind == "f" and not tolerance.shift:
        eps = relative_half_step(tolerance.value, dtype, 1)
        return ResidualStep(float(2 * np.arctanh(eps)) if eps > float(np.finfo(dtype).eps) else 0.0, log=True)
    return ResidualStep(0.0)


def encode_residual(
    values: np.ndarray, prediction: np.ndarray, tolerance: Tolerance, plain: bytes | None = None
) -> bytes:
    """Return what must be added to `prediction` to be within `tolerance` of `values`, or these plainly if that is less.

    Parameters
    ----------
    values
        Original values, any shape, integer or float dtype.
    prediction
        float64, same shape; the decoder must have the same up to about 1e-6 of the tolerance. May be NaN or infinite
        where the model knows nothing.
    plain
        What `encode_plainly` gives, where it is known already.
    """
    flat = values.ravel()
    plan = _plan(flat, tolerance)
    plain = encode_plainly(flat, tolerance) if plain is None else plain
    if plan is None:
        return plain
    return min(_encode_difference(flat, prediction, *plan, tolerance) or plain, plain, key=len)


def _encode_difference(
    flat: np.ndarray, prediction: np.ndarray, step: ResidualStep, lattice: Lattice, tolerance: Tolerance
) -> bytes | None:
    """Return the streams of what must be added to a prediction; None where many values have another sign than it.

    Of counts and of values that come again and again, a prediction makes differences that do not.
    """
    guess = _usable(prediction, step)
    _, special = lattice.quantise(flat)
    integers = _difference(flat, guess, step)
    outside = special > 0
    if step.log:
        outside |= _sign_wrong(flat, guess)
    lost = ~np.isfinite(integers) | (np.abs(integers) > _CODE_LIMIT)
    if step.log and (outside & (special == 0)).mean() > 0.2:
        return None
    residual = np.where(outside | lost, 0, integers).astype(np.int64)
    exact = (outside | lost) & (special == 0)
    parts = [
        np.array([step.step], "<f8").tobytes() + bytes([step.log]),
        lattice.to_bytes(),
        pack_integers(np.where(exact, len(lattice.specials) + 1, special)),
        pack_checked(residual),
        _encode_plainly(flat[exact], tolerance),
    ]
    return b"\1" + b"".join(write_sized(part) for part in parts)


def encode_plainly(values: np.ndarray, tolerance: Tolerance) -> bytes:
    """Return values of any shape as `decode_residual` reads them whatever the prediction."""
    return b"\0" + _encode_plainly(values.ravel(), tolerance)


def decode_residual(data: bytes, prediction: np.ndarray, tolerance: Tolerance, dtype: np.dtype) -> np.ndarray:
    """Decode restored values: shape of `prediction`, of `dtype`.

    Raises
    ------
    FormatError
        If `data` is damaged.
    """
    reader = ByteReader(data, "a residual stream")
    count = prediction.size
    if reader.take(1) == b"\0":
        return _decode_plainly(reader.rest(), count, dtype).reshape(prediction.shape)
    head = reader.sized()
    if len(head) != 9:
        raise FormatError(f"a residual stream has a head of {len(head)} bytes, not 9")
    step = ResidualStep(float(np.frombuffer(head[:8], "<f8")[0]), bool(head[8]))
    lattice = Lattice.from_bytes(reader.sized(), dtype.str)
    classes = unpack_integers(reader.sized(), count)
    residual = unpack_checked(reader.sized(), count)
    restored = _restore(_usable(prediction, step), residual, step, dtype)
    reach = tolerance.value if tolerance.kind in ("abs", "rel") else 0.0
    keep_off(restored, None, lattice.specials, Reach(relative=reach) if step.log else Reach(absolute=reach))
    for index, value in enumerate(lattice.specials):
        restored[classes == index + 1] = value
    exact = classes == len(lattice.specials) + 1
    restored[exact] = _decode_plainly(reader.sized(), int(exact.sum()), dtype)
    return restored.reshape(prediction.shape)


def _plan(flat: np.ndarray, tolerance: Tolerance) -> tuple[ResidualStep, Lattice] | None:
    """The residual's step and a lattice whose special values are set apart; None if values must be stored plainly."""
    if flat.dtype.kind == "b" or not flat.size:
        return None
    tolerance = around_zero(flat, tolerance)
    lattice = fit_lattice(flat, tolerance)
    ordinary = flat[lattice.quantise(flat)[1] == 0] if lattice.specials else flat
    if flat.dtype.kind == "f":
        ordinary = ordinary[np.isfinite(ordinary)]
    largest = float(np.abs(ordinary.astype(np.float64)).max()) if ordinary.size else 0.0
    step = residual_step(tolerance, flat.dtype, largest)
    return (step, lattice) if step.step > 0 else None


def _usable(prediction: np.ndarray, step: ResidualStep) -> np.ndarray:
    """Return the prediction as flat float64; 0 where it is no number, or too large to add a step to."""
    guess = prediction.ravel().astype(np.float64)
    limit = np.inf if step.log else step.step * 2.0**45
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(guess) < limit, guess, 0.0)


def _difference(values: np.ndarray, guess: np.ndarray, step: ResidualStep) -> np.ndarray:
    with np.errstate(all="ignore"):
        if step.log:
            return np.rint((np.log(np.abs(values.astype(np.float64))) - np.log(np.abs(guess))) / step.step)
        return np.rint((values.astype(np.float64) - guess) / step.step)


def _sign_wrong(values: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Return where a logarithmic residual cannot lead from the prediction to the value."""
    return (np.signbit(values) != np.signbit(guess)) | (guess == 0)


def _restore(guess: np.ndarray, residual: np.ndarray, step: ResidualStep, dtype: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        if step.log:
            # A cell reaches equally far up and down in logarithms, but further up in values: cosh puts it right.
            restored = guess * (np.exp(residual * step.step) / np.cosh(step.step / 2))
        else:
            restored = guess + residual * step.step
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            restored = np.clip(np.rint(restored), float(limits.min), np.nextafter(float(limits.max), 0))
        return restored.astype(dtype)


def _encode_plainly(flat: np.ndarray, tolerance: Tolerance) -> bytes:
    """Write values by their own lattice, without a prediction."""
    lattice = fit_lattice(flat, tolerance)
    return write_sized(lattice.to_bytes()) + pack_checked(lattice.codes(flat))


def _decode_plainly(data: bytes, count: int, dtype: np.dtype) -> np.ndarray:
    reader = ByteReader(data, "a residual stream")
    lattice = Lattice.from_bytes(reader.sized(), dtype.str)
    return lattice.restore(unpack_checked(reader.rest(), count))
