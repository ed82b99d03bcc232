"""Compute results for the items of an iterator in other threads, before they are needed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _EndOfItems:
    """Marks the end of the results; contains the exception that ended the iteration, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class ReadAhead(Generic[Item, Result]):
    """Calls a function for all items in other threads; yields results in the order of the items."""

    def __init__(
        self,
        items: Iterable[Item],
        function: Callable[[Item], Result],
        max_waiting: int,
        max_workers: int = 1,
    ) -> None:
        """Start the threads.

        Args:
            items: The items. A thread of this object iterates over them.
            function: Called for each item. Several workers call it concurrently.
            max_waiting: Number of results that may wait in the queue. One more result may be
                computed while the queue is full.
            max_workers: Number of threads that call the function.
        """
        self._items = items
        self._function = function
        self._results: queue.Queue[Future[Result] | _EndOfItems] = queue.Queue(max(max_waiting, 1))
        self._is_closed = threading.Event()
        self._workers = ThreadPoolExecutor(max_workers, thread_name_prefix="read-ahead-worker")
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Result]:
        while True:
            result = self._results.get()
            if isinstance(result, _EndOfItems):
                if result.error is not None:
                    raise result.error
                return
            yield result.result()

    def close(self) -> None:
        """End the threads; results that were not taken are lost."""
        self._is_closed.set()
        while self._thread.is_alive():
            try:
                self._results.get(timeout=0.05)  # makes space for a thread that waits in _put
            except queue.Empty:
                continue
        self._thread.join()
        self._workers.shutdown(cancel_futures=True)

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(self._workers.submit(self._function, item)):
                    return
        except BaseException as error:
            self._put(_EndOfItems(error))
        else:
            self._put(_EndOfItems())

    def _put(self, result: Future[Result] | _EndOfItems) -> bool:
        """Add a result when the queue has space; return False if ``close`` was called meanwhile."""
        while not self._is_closed.is_set():
            try:
                self._results.put(result, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
