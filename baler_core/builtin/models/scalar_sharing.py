"""One variable coded by the `scalar` model, and which of them share a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baler_core.entropy import bytes as squeeze
from baler_core.machine.records import dataclass

# How a variable is stored: its integers packed by themselves; its integers, or its values as they lie in memory, in the
# stream that variables share; as a repetition of an earlier variable; or in steps as wide as each value's own tolerance.
OWN, SHARED_CODES, SHARED_VALUES, REPEATED, SCALED = range(5)
# Up to this many bytes compressors are run in full to compare; above, fast ones stand in for them.
SMALL = 1 << 20
# The same for all variables together, which are then compressed by all methods if they may be smallest: if a fast one makes
# of them at most so many times the bytes of the best.
_TOGETHER, _NEAR = 1 << 16, 1.25


@dataclass
class CodedVariable:
    """One variable on its way to bytes."""

    head: bytes
    own: bytes
    codes_head: bytes
    codes: bytes
    values: bytes
    digest: bytes
    method: int = OWN

    @property
    def index(self) -> bytes:
        """What the decoder must know of it."""
        return bytes([self.method]) + self.head + (self.codes_head if self.method == SHARED_CODES else b"")

    @property
    def shared(self) -> bytes:
        """Its part of the shared stream."""
        return self.form(self.method)

    def form(self, method: int) -> bytes:
        """Return what it would add to the shared stream by a method."""
        return {OWN: b"", SCALED: b"", SHARED_CODES: self.codes, SHARED_VALUES: self.values}[method]


def choose_sharing(coded: Sequence[CodedVariable]) -> None:
    """Move variables into the shared stream where general compression of all of them together is smaller.

    Candidates are: none; those that compress about as well there by themselves; all; and all with their values as they lie
    in memory, where variables that repeat each other in part look alike.
    """
    candidates = [one for one in coded if len(one.own) > 8 and one.method == OWN]
    choices = _partial_choices(candidates) if len(candidates) > 1 else []
    if all(one.values for one in candidates):
        choices.append([SHARED_VALUES] * len(candidates))
    own = sum(len(one.own) for one in candidates)
    # The fast estimate is up to twice too high (zstd beside xz on mirrored fields of floats); the more data, the nearer it
    # must be for the slow measurement.
    size = sum(len(one.codes) for one in candidates)
    hope = 1.6 if size <= 4 * SMALL else 1.4 if size <= 16 * SMALL else 1.1
    best, smallest = [OWN] * len(candidates), own
    expected = [_total(candidates, methods, _expected_size) for methods in choices]
    limit = min(hope * own, _NEAR * min(expected, default=0))
    for methods in (methods for methods, about in zip(choices, expected, strict=True) if about <= limit):
        total = _total(candidates, methods, _squeezed_size)
        best, smallest = (methods, total) if total < smallest else (best, smallest)
    for one, method in zip(candidates, best, strict=True):
        one.method = method


def _partial_choices(candidates: Sequence[CodedVariable]) -> list[list[int]]:
    """Return the methods of those that compress about as well in the shared stream by themselves, others staying out; and of all."""
    found = [_better_shared_form(one) for one in candidates]
    better = [form for form, _ in found]
    keen = [
        form if size < 1.15 * len(one.own) + 40 else OWN for one, (form, size) in zip(candidates, found, strict=True)
    ]
    return [keen] if keen == better else [keen, better]


def _total(candidates: Sequence[CodedVariable], methods: Sequence[int], size: Callable[[bytes], int]) -> int:
    """Return bytes of the candidates, each by its method; `size` measures those of the shared stream."""
    pairs = list(zip(candidates, methods, strict=True))
    alone = sum(len(one.own) for one, method in pairs if method == OWN)
    return alone + size(b"".join(one.form(method) for one, method in pairs))


def _better_shared_form(one: CodedVariable) -> tuple[int, int]:
    """Return the form in which a variable by itself is smaller, and how many bytes it takes then."""
    codes = _size(one.codes)
    values = _size(one.values) if one.values else codes
    return (SHARED_VALUES, values) if values < codes else (SHARED_CODES, codes)


def _size(data: bytes) -> int:
    """Return what general compression makes of `data`: exact for small data, a fast upper estimate for large."""
    return len(squeeze.xz(data)) if len(data) <= SMALL else len(squeeze.zstd(data, 5))


def _expected_size(data: bytes) -> int:
    """Return about the same of all variables together."""
    return len(squeeze.zstd(data, 5)) if len(data) > _TOGETHER else _size(data)


def _squeezed_size(data: bytes) -> int:
    """Return what the container will make of a shared stream."""
    return len(squeeze.squeeze(data)) if data else 0
