"""Turn any error that a damaged or hostile record causes during restoration into one FormatError."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from baler_core import DataError, FormatError

_PROVOKED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    DataError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,  # numpy, of some texts that are no dtype
    TypeError,
    ValueError,
)


# How HDF5 cites what the system refused.
_NUMBER = re.compile(r"errno = (\d+)")


@contextmanager
def refusing_damaged_records() -> Iterator[None]:
    """Let errors of the system pass (no space left), and report all others as damage.

    Raises
    ------
    FormatError
        Of one line.
    """
    try:
        yield
    except FormatError:
        raise
    except (OSError, *_PROVOKED) as error:
        # h5py raises OSError for most of HDF5's own complaints; those of the system carry their number
        if isinstance(error, OSError) and error.errno:
            raise
        found = _NUMBER.search(str(error))
        if found:
            raise OSError(int(found[1]), os.strerror(int(found[1]))) from error
        raise _damage(error) from error


def _damage(error: BaseException) -> FormatError:
    said = " ".join(str(error).split())[:200]
    return FormatError(f"the record of the original file is damaged: {type(error).__name__}: {said}")
