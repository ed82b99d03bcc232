"""``BatchingPredictor``: concurrent calls share calls of the network and get their own rows."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fer_core.bundle import Bundle, BundleRecord
from fer_core.predictor import Predictor, load_predictor
from fer_core.service.batching import BatchingPredictor


def test_every_caller_gets_its_own_rows(bundle: Bundle) -> None:
    predictor = load_predictor(bundle)
    batches: list[int] = []
    batching = BatchingPredictor(predictor, max_faces=8, on_batch=batches.append)
    calls = [
        np.random.default_rng(number).integers(0, 256, (1 + number % 3, 48, 48), dtype=np.uint8)
        for number in range(40)
    ]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(batching.probabilities, calls))
    batching.close()
    for crops, rows in zip(calls, answers, strict=True):
        np.testing.assert_allclose(rows, predictor.probabilities(crops), atol=1e-6)
    assert sum(batches) == sum(len(crops) for crops in calls)
    assert (batching.classes, batching.input_shape) == (predictor.classes, (48, 48, 1))


class Gate:
    """A network whose first call waits until it is opened."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.is_busy, self.opened = threading.Event(), threading.Event()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.sizes.append(len(pixels))
        self.is_busy.set()
        assert self.opened.wait(180)
        if pixels.max() > 0.99:
            raise ArithmeticError("the network failed")
        return np.full((len(pixels), 7), 1 / 7, np.float32)


def waiting_calls(batching: BatchingPredictor) -> int:
    return batching._calls.qsize()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_calls_that_wait_form_one_batch(
    make_record: Callable[..., BundleRecord], gate: Gate
) -> None:
    batching = BatchingPredictor(Predictor(make_record(), gate), max_faces=4)
    face = np.zeros((1, 48, 48), np.uint8)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batching.probabilities, face)
        assert gate.is_busy.wait(180)
        others = [pool.submit(batching.probabilities, face) for _ in range(6)]
        while waiting_calls(batching) < 6:
            threading.Event().wait(0.001)
        gate.opened.set()
        assert all(one.result().shape == (1, 7) for one in [first, *others])
    batching.close()
    assert gate.sizes == [1, 4, 2]


def test_a_failure_reaches_its_callers_and_the_next_call_works(
    make_record: Callable[..., BundleRecord], gate: Gate
) -> None:
    gate.opened.set()
    batching = BatchingPredictor(Predictor(make_record(), gate))
    with pytest.raises(ArithmeticError, match="the network failed"):
        batching.probabilities(np.full((1, 48, 48), 255, np.uint8))
    assert batching.probabilities(np.zeros((2, 48, 48), np.uint8)).shape == (2, 7)
    batching.close()
    with pytest.raises(RuntimeError, match="closed"):
        batching.probabilities(np.zeros((1, 48, 48), np.uint8))


def test_crops_of_different_shapes_are_not_mixed(
    make_record: Callable[..., BundleRecord], gate: Gate
) -> None:
    record = make_record(input_shape=(48, 48, 3))
    batching = BatchingPredictor(Predictor(record, gate))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batching.probabilities, np.zeros((1, 48, 48), np.uint8))
        assert gate.is_busy.wait(180)
        gray = pool.submit(batching.probabilities, np.zeros((2, 48, 48), np.uint8))
        color = pool.submit(batching.probabilities, np.zeros((3, 48, 48, 3), np.uint8))
        while waiting_calls(batching) < 2:
            threading.Event().wait(0.001)
        gate.opened.set()
        assert [len(one.result()) for one in (first, gray, color)] == [1, 2, 3]
    batching.close()
    assert sorted(gate.sizes) == [1, 2, 3]
