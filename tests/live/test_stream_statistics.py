import pytest

from fer_core.live.stream_statistics import Durations, Rate


def test_a_rate_decreases_without_new_events() -> None:
    now = [0.0]
    rate = Rate(lambda: now[0])
    assert rate.per_second is None
    for frame in range(60):
        now[0] = frame / 30
        rate.count()
    assert rate.per_second == pytest.approx(30, rel=0.05)
    now[0] = 3.0
    assert rate.per_second == pytest.approx(15, rel=0.1)
    now[0] = 10.0
    assert rate.per_second is None


def test_percentiles_of_the_last_durations() -> None:
    durations = Durations()
    assert durations.percentile(50) is None
    for milliseconds in range(1, 201):
        durations.add(milliseconds)
    # The last ninety: 111 to 200.
    assert durations.percentile(50) == pytest.approx(155.5)
