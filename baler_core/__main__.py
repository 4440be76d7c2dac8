"""Run the command `baler`, also as `python -m baler_core`: install signal handlers first, then import the rest."""

from __future__ import annotations

import atexit
import gc
import os

# A signal that comes before `main` runs ends in Python's own traceback. So what takes a while to import is left out: `typing`,
# and of `signal` the part that gives names to numbers, which is not in C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import NoReturn
else:
    import _signal as signal


def _stopped(number: int, frame: FrameType | None) -> NoReturn:
    """End at once, without Python's traceback, while nothing is written and the command has no handlers of its own."""
    interrupted = number == signal.SIGINT
    os.write(2, b"baler: stopped\n" if interrupted else b"baler: terminated\n")
    os._exit(130 if interrupted else 143)


def _heed_nothing_more() -> None:
    """Ignore signals, last of all: everything is done, and a signal in Python's clean-up would end it without a code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def main() -> NoReturn:
    """Run the command line of this process."""
    atexit.register(_heed_nothing_more)
    for number in (signal.SIGINT, signal.SIGTERM):
        # A job in the background was started with Ctrl-C ignored, and goes on.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stopped)
    # Threads of OpenBLAS, which NumPy starts, would otherwise wait busily for work at first, as long as all else takes.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    gc.disable()  # until all is imported: of what importing makes, next to nothing is waste, and looking for it takes a tenth longer
    from baler_core.cli import main as run
    from baler_core.cli.stopping import leave_threads

    try:
        run()
    except SystemExit as ended:
        leave_threads(ended.code)
        raise


if __name__ == "__main__":
    main()
