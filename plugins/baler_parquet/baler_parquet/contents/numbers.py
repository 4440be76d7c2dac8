"""Which numpy dtype holds the values of an Arrow type, and what these mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# Decimals of so many digits fit into 64 bits.
LONG_DECIMAL = 18


def dtype_of(kind: pa.DataType) -> str:
    """Return a numpy dtype, `str` or `bytes`; empty for types without values of their own."""
    import pyarrow as pa

    types = pa.types
    if types.is_boolean(kind):
        return "|b1"
    if types.is_integer(kind) or types.is_floating(kind):
        letter = "f" if types.is_floating(kind) else "i" if types.is_signed_integer(kind) else "u"
        return f"{'|' if kind.bit_width == 8 else '<'}{letter}{kind.bit_width // 8}"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "str"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return "bytes"
    if types.is_decimal(kind):
        return "<i8" if kind.precision <= LONG_DECIMAL else f"|V{kind.byte_width}"
    if types.is_temporal(kind):
        return "|V16" if types.is_interval(kind) else f"<i{kind.bit_width // 8}"
    if types.is_fixed_size_binary(kind):
        return f"|V{kind.byte_width}" if kind.byte_width else ""
    return ""


def meaning_of(kind: pa.DataType) -> dict[str, Any]:
    """Return what the type tells of a variable: times are times, decimals are packed with a power of ten."""
    import pyarrow as pa

    types = pa.types
    if types.is_decimal(kind) and kind.precision <= LONG_DECIMAL:
        largest = float(10**kind.precision - 1)
        return {"scale": float(f"1e{-kind.scale}"), "limits": (-largest, largest)}
    if types.is_temporal(kind) and not types.is_interval(kind):
        units = {"date32[day]": "days", "date64[ms]": "ms"}.get(str(kind)) or str(kind.unit)
        since = " since 1970-01-01" if types.is_date(kind) or types.is_timestamp(kind) else ""
        return {"role": "time", "reason": f"of type {kind}", "units": units + since}
    return {}
