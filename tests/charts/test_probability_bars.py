"""The figures' content; how they look is seen in the browser."""

from fer_core.charts.probabilities import probability_bars
from fer_core.emotions import EMOTION_COLORS, EMOTIONS

PROBABILITIES = dict(zip(EMOTIONS, (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125, 0.0), strict=True))


def test_probability_bars_show_all_seven_in_percent_and_in_the_emotions_order() -> None:
    figure = probability_bars(PROBABILITIES)
    (bars,) = figure.data
    assert list(bars.y) == list(EMOTIONS)
    assert list(bars.x) == [50, 25, 12.5, 6.25, 3.125, 3.125, 0]
    assert list(bars.text) == ["50.0 %", "25.0 %", "12.5 %", "6.2 %", "3.1 %", "3.1 %", "0.0 %"]
    # Otherwise Plotly draws the first one at the bottom.
    assert figure.layout.yaxis.autorange == "reversed"


def test_probability_bars_take_any_classes_in_the_given_order() -> None:
    (bars,) = probability_bars({"excited": 0.75, "calm": 0.25}).data
    assert list(bars.y) == ["excited", "calm"]
    assert list(bars.x) == [75, 25]


def test_probability_bars_have_the_emotions_colors() -> None:
    (bars,) = probability_bars(PROBABILITIES).data
    assert list(bars.marker.color) == [EMOTION_COLORS[emotion] for emotion in EMOTIONS]


def test_probability_bars_name_their_axis_and_its_unit() -> None:
    layout = probability_bars(PROBABILITIES).layout
    assert layout.xaxis.title.text == "probability"
    assert layout.xaxis.dtick == 50
    assert layout.xaxis.ticksuffix == " %"


def test_probability_bars_have_a_fixed_scale_in_which_all_texts_fit() -> None:
    full = dict.fromkeys(EMOTIONS, 0.0) | {"happy": 1.0}
    even = dict.fromkeys(EMOTIONS, 1 / 7)
    ranges = [tuple(probability_bars(one).layout.xaxis.range) for one in (full, even)]
    assert ranges[0] == ranges[1]
    assert ranges[0][0] == 0
    assert ranges[0][1] > 110


def test_probability_bars_leave_fonts_and_backgrounds_to_the_theme() -> None:
    layout = probability_bars(PROBABILITIES).layout
    assert layout.paper_bgcolor is None
    assert layout.plot_bgcolor is None
    assert layout.font.color is None
