"""Hand tasks to an executor, a few at a time, and try once more what a lost worker was at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path
from typing import NoReturn

from baler_core.errors import BROKEN_BOUND, BUG, USER, BoundBroken, SourceError
from baler_core.machine.executors import Submits, begun, refuse_gone
from baler_core.machine.in_order import LOST, is_lost
from baler_core.machine.workers import wait_for_one
from baler_core.pipeline.many.task import FileOutcome, FileTask, run_task


class TaskSchedule:
    """Tasks on their way through an executor.

    A worker that is lost takes down what runs beside it, and who was to blame is not known. So those tasks run once more,
    each alone. A task that was lost twice by itself is reported; what was lost beside others counts for none of them.
    """

    def __init__(
        self,
        tasks: Sequence[FileTask],
        executor: Submits,
        at_once: int,
        run: Callable[[FileTask], FileOutcome] = run_task,
    ) -> None:
        self._executor, self._run = executor, run
        self._at_once = at_once
        self._waiting = deque(tasks)
        self._again: deque[FileTask] = deque()
        self._running: dict[Future[FileOutcome], FileTask] = {}
        self._to_blame: set[Path] = set()

    def stop(self) -> None:
        """Begin nothing more; what runs is finished."""
        self._waiting.clear()

    def outcomes(self) -> Iterator[FileOutcome]:
        """Yield outcomes as they come.

        Raises
        ------
        SourceError
            If the executor takes no more tasks.
        """
        while self._waiting or self._again or self._running:
            alone = bool(self._again) and not self._running
            if alone:
                self._begin(self._again.popleft())
            while self._waiting and not self._again and not alone and len(self._running) < self._at_once:
                self._begin(self._waiting.popleft())
            beside = len(self._running) > 1
            for future in self._done():
                task = self._running.pop(future)
                outcome = self._outcome(task, future, beside)
                if outcome is not None:
                    yield outcome

    def _begin(self, task: FileTask) -> None:
        try:
            self._running[begun(self._executor, self._run, task)] = task
        except (BrokenExecutor, RuntimeError) as error:
            _refuse(error)

    def _done(self) -> set[Future[FileOutcome]]:
        try:
            done = wait_for_one(self._running, self._executor)
            if any(future.cancelled() or future.exception() is not None for future in done):
                refuse_gone(self._executor)  # no file is to blame
        except BrokenExecutor as error:
            _refuse(error)
        return done

    def _outcome(self, task: FileTask, future: Future[FileOutcome], beside: bool) -> FileOutcome | None:
        """Return what became of a task; None where it is to be tried again."""
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            return future.result()
        if isinstance(error, BoundBroken):
            return FileOutcome(
                task.source, "failed", problem=f"{error}; this is a bug in baler", exit_code=BROKEN_BOUND
            )
        lost = error is None or is_lost(error)
        others_to_blame = lost and beside
        if others_to_blame or task.source not in self._to_blame:
            self._again.append(task)
            self._to_blame |= set() if others_to_blame else {task.source}
            return None
        what = LOST if lost else f"its worker failed ({type(error).__name__}: {error})"
        remedy = ": a smaller 'block_size' or --memory needs less" if lost else ""
        problem = f"{task.source}: {' '.join(what.split())}, twice{remedy}"
        return FileOutcome(task.source, "failed", problem=problem, exit_code=USER if lost else BUG)


def _refuse(error: Exception) -> NoReturn:
    raise SourceError(
        f"the executor takes no more files ({error}): start its workers, and run again to go on"
    ) from error
