"""Values computed ahead in other threads: order, errors, concurrency."""

import threading
from collections.abc import Iterator

import pytest

from fer_core.video.read_ahead import ReadAhead


def test_results_come_in_the_order_of_the_items_although_later_ones_are_ready_first() -> None:
    second_is_done = threading.Event()

    def slow_first(number: int) -> int:
        if number == 1:
            assert second_is_done.wait(180)
        if number == 2:
            second_is_done.set()
        return 10 * number

    ahead = ReadAhead([1, 2, 3], slow_first, max_waiting=4, max_workers=2)
    assert list(ahead) == [10, 20, 30]
    ahead.close()


def test_an_error_of_the_function_is_raised_at_its_item() -> None:
    ahead = ReadAhead([1.0, 0.0, 2.0], lambda number: 2 / number, max_waiting=4, max_workers=2)
    results = iter(ahead)
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)
    ahead.close()


def test_an_error_of_the_items_is_raised_after_the_results_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("the second item is damaged")

    ahead = ReadAhead(broken(), str, max_waiting=4)
    results = iter(ahead)
    assert next(results) == "1"
    with pytest.raises(ValueError, match="the second item is damaged"):
        next(results)
    ahead.close()


def test_close_ends_the_threads_while_results_wait() -> None:
    before = set(threading.enumerate())
    ahead = ReadAhead(iter(range(1_000_000)), str, max_waiting=2, max_workers=2)
    assert next(iter(ahead)) == "0"
    # Threads of other tests may begin and end meanwhile.
    started = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("read-ahead")
    ]
    assert len(started) >= 2
    ahead.close()
    assert not any(thread.is_alive() for thread in started)
