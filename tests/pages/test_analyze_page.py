"""The analyze page without photos, with invalid files and with valid ones."""

import io
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from fer_core.bundle import write_calibration
from fer_core.calibration import Calibration
from fer_core.classes import color_rgb
from fer_core.emotions import EMOTION_COLORS, EMOTIONS
from fer_core.settings import Settings
from fer_core.vision.boxes import FaceBox
from fer_core.vision.draw import UNCERTAIN_COLOR
from fer_core.vision.face import Face
from fer_core.vision.haar import HaarDetector
from fer_core.vision.photo import PhotoResult
from fer_core.vision.sample import sample_picture
from fer_studio.ui.analyze.results import photo_color
from fer_studio.ui.photo_view import face_entries

WHOLE = "Classify the whole picture as one face"


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def astronaut() -> bytes:
    return jpeg(Image.open(io.BytesIO(sample_picture()[1])))


def two_astronauts() -> bytes:
    one = Image.open(io.BytesIO(sample_picture()[1])).convert("RGB")
    both = Image.new("RGB", (1024, 512))
    both.paste(one, (0, 0))
    both.paste(one, (512, 0))
    return jpeg(both)


def wall() -> bytes:
    return jpeg(Image.new("RGB", (400, 300), "gray"))


def component(app: AppTest, name: str) -> dict[str, Any]:
    """What the page sends to the component with this name."""
    (sent,) = [
        json.loads(one.proto.json)
        for one in app.get("bidi_component")
        if one.proto.component_name == name
    ]
    return dict(sent)


def photo_view(app: AppTest) -> dict[str, Any]:
    """The displayed photo with its faces."""
    return component(app, "fer_studio_photo_view")


def choose_photo(app: AppTest, position: int) -> None:
    """Do what a click on a thumbnail does."""
    app.session_state["chosen_photo"] = app.session_state["kept_uploads"].current[position].key
    app.run()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "image/jpeg") for name, content in files])
    return app.run()


def texts(elements: Sequence[Any]) -> list[str]:
    return [element.value for element in elements]


def plain(elements: Sequence[Any]) -> str:
    """Return the visible text, without the escapes that keep file names from being Markdown."""
    return " ".join(texts(elements)).replace("\\", "")


def charts(app: AppTest) -> list[dict[str, str]]:
    """The bars of each face: percent by emotion."""
    bars = [text for text in texts(app.markdown) if "fer-bars" in text]
    part = re.compile('class="bar-name">(.*?)</span>.*?class="bar-value">(.*?)</span>')
    return [dict(part.findall(text)) for text in bars]


def assert_sound(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert texts(app.title) == ["Analyze photos"]


@pytest.mark.parametrize("way", ["link", "click"])
def test_the_page_is_the_same_by_a_link_and_by_a_click(
    home: Settings, open_app: Callable[..., AppTest], way: str
) -> None:
    app = open_app(way)
    assert_sound(app)
    assert [box.label for box in app.main.selectbox] == ["Model", "Face detector"]
    assert [toggle.label for toggle in app.main.toggle] == ["Skip face detection (already cropped)"]
    assert [box.label for box in app.file_uploader] == ["Photos with faces"]
    assert "banned in the European Union" in plain(app.markdown)


def test_the_empty_state_explains_the_page_and_offers_a_sample(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    assert_sound(app)
    assert "Drop photos above" in plain(app.markdown)
    assert app.button(key="choose_sample").label == "Try a sample picture"
    assert not app.error
    assert not charts(app)
    assert not app.download_button


def test_the_sample_picture_shows_one_face_with_all_probabilities(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    assert_sound(app)
    (chart,) = charts(app)
    assert list(chart) == list(EMOTIONS)
    assert len(app.image) == 1  # the crop
    (face,) = photo_view(app)["faces"]
    # The sample picture has 512 x 512 pixels, and the face is in the middle of its upper half.
    assert (photo_view(app)["width"], photo_view(app)["height"]) == (512, 512)
    assert all(0.1 < value < 0.5 for value in face["box"])
    assert photo_view(app)["picture"].startswith("data:image/jpeg;base64,")
    assert "Eileen Collins" in plain(app.caption)
    assert [button.label for button in app.download_button] == ["CSV", "JSON", "Annotated picture"]
    top = [text for text in texts(app.markdown) if text.endswith("%**")]
    assert len(top) == 1
    assert not app.dataframe
    # A model whose predictions are accurate at no confidence is certain of nothing.
    uncertain = Calibration(thresholds={"80": None})
    write_calibration(home.models_root / "small", uncertain, "validation")
    app.run()
    assert_sound(app)
    first, second = sorted(chart, key=lambda name: -float(str(chart[name]).removesuffix(" %")))[:2]
    assert f"**not sure: {first} or {second}**" in plain(app.markdown)


def test_faces_that_are_too_small_are_counted_and_not_read(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [FaceBox(40 * number, 10, side, side) for number, side in enumerate((20, 30, 23, 24))]

    class FourFaces(HaarDetector):
        def detect(self, image: object) -> list[Face]:
            return [Face(box) for box in boxes]

    monkeypatch.setattr("fer_studio.ui.analyze.options.open_detector", lambda *_: FourFaces())
    app = open_app()
    app.button(key="choose_sample").click().run()
    assert_sound(app)
    assert "2 of the 4 faces are too small to read" in plain(app.caption)
    assert [face["isDot"] for face in photo_view(app)["faces"]] == [True, False, True, False]
    # One face is shown in detail. A click on the thumbnail of the second readable one shows it.
    (title,) = [text for text in texts(app.markdown) if text.startswith("**")]
    assert title.startswith("**2:")
    app.session_state["chosen_faces"] = {"sample": 1}
    app.run()
    (title,) = [text for text in texts(app.markdown) if text.startswith("**")]
    assert title.startswith("**4:")
    assert photo_view(app)["selected"] == 1
    assert len(charts(app)) == 1


def test_rare_emotions_can_be_emphasized_where_the_model_knows_its_class_prior(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    assert not app.main.get("button_group")
    prior = (0.16, 0.01, 0.03, 0.3, 0.1, 0.1, 0.3)
    write_calibration(home.models_root / "small", Calibration(1.0, prior, 0.25), "validation")
    app = open_app()
    (emphasis,) = app.main.get("button_group")
    assert emphasis.label == "Emphasis on rare classes"
    app.button(key="choose_sample").click().run()
    neutral = []
    for choice in ("none", "default", "strong"):
        app.main.get("button_group")[0].set_value(choice).run()
        assert_sound(app)
        neutral.append(float(str(charts(app)[0]["neutral"]).removesuffix(" %")))
    # The commonest emotion loses what rarer ones gain.
    assert neutral[0] > neutral[1] > neutral[2]


def test_the_sample_picture_can_be_removed_again(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    app.button(key="remove_sample").click().run()
    assert_sound(app)
    assert not charts(app)
    assert app.button(key="choose_sample")


def test_several_uploads_give_a_summary_and_show_the_first(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = upload(
        open_app(),
        ("one.jpg", astronaut()),
        ("two.jpg", two_astronauts()),
        ("wall.jpg", wall()),
    )
    assert_sound(app)
    assert {metric.label: metric.value for metric in app.metric} == {
        "Photos": "3",
        "Faces": "3",
        "No face": "1",
        "Failed": "0",
    }
    table = app.dataframe[0].value
    assert table["Photo"].tolist() == ["one.jpg", "two.jpg", "wall.jpg"]
    assert table["Faces"].tolist() == [1, 2, 0]
    assert table["Classes"].iloc[2] == "no face found"
    assert len(charts(app)) == 1
    assert "All annotated pictures" in [button.label for button in app.download_button]


def test_photos_are_thumbnails_in_the_color_of_their_emotion_and_one_is_shown(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = upload(
        open_app(), ("one.jpg", astronaut()), ("two.jpg", two_astronauts()), ("wall.jpg", wall())
    )
    strip = component(app, "fer_studio_photo_strip")
    assert [item["title"] for item in strip["items"]] == ["one.jpg", "two.jpg", "wall.jpg"]
    assert strip["items"][2]["detail"] == "no face found"
    assert strip["items"][0]["color"] == photo_view(app)["faces"][0]["color"]
    assert all(item["picture"].startswith("data:image/jpeg") for item in strip["items"])
    assert strip["selected"] == 0
    choose_photo(app, 1)
    assert_sound(app)
    assert component(app, "fer_studio_photo_strip")["selected"] == 1
    assert len(photo_view(app)["faces"]) == 2
    assert [face["label"][:3] for face in photo_view(app)["faces"]] == ["1: ", "2: "]
    choose_photo(app, 2)
    assert photo_view(app)["faces"] == []


def test_the_color_of_a_photo_is_that_of_its_most_frequent_confident_class() -> None:
    def face(probability_happy: float, **settings: float) -> Face:
        values = np.array([probability_happy, 1 - probability_happy], np.float32)
        return Face(FaceBox(0, 0, 9, 9), probabilities=values, classes=("happy", "sad"), **settings)

    happy, sad = face(1.0), face(0.0)
    unsure = face(0.6, minimum_confidence=0.7)
    colors = {name: color_rgb(color) for name, color in EMOTION_COLORS.items()}
    assert photo_color(PhotoResult("", faces=(happy, sad, sad))) == colors["sad"]
    assert photo_color(PhotoResult("", faces=(happy, sad))) == colors["happy"]
    assert photo_color(PhotoResult("", faces=(unsure, unsure, sad))) == colors["sad"]
    for faces in ((), (unsure,)):
        assert photo_color(PhotoResult("", faces=faces)) == UNCERTAIN_COLOR


def test_boxes_are_shares_of_the_photo_and_labels_are_readable() -> None:
    faces = [
        Face(
            FaceBox(20, 50, 40, 100),
            probabilities=np.array([0.25, 0.75], np.float32),
            classes=("happy", "sad"),
            minimum_confidence=minimum,
        )
        for minimum in (0.5, 0.8)
    ]
    sure, unsure = face_entries(faces, (200, 400))
    assert sure["box"] == [0.1, 0.125, 0.2, 0.25]
    assert (sure["title"], sure["detail"], sure["label"]) == ("1: sad", "75 %", "1: sad 75 %")
    assert sure["color"] == EMOTION_COLORS["sad"]
    assert (unsure["title"], unsure["detail"]) == ("2: not sure", "sad or happy")
    assert unsure["text"] == "#FFFFFF"  # on dark gray
    assert face_entries(faces[:1], (200, 400))[0]["label"] == "sad 75 %"


BAD_FILES = {
    "archive.jpg": b"PK\x03\x04" + bytes(60),
    "cut.jpg": astronaut()[:4000],
    "empty.jpg": b"",
    "words_*with*_[marks](x).jpg": b"no picture at all",
}


def test_invalid_files_are_listed_and_the_others_analyzed(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = upload(open_app(), *BAD_FILES.items(), ("good.jpg", astronaut()))
    assert_sound(app)
    (failed,) = [one for one in app.expander if "could not be analyzed" in one.label]
    messages = plain(failed.markdown)
    for name in BAD_FILES:
        assert name in messages
    assert "4 of 5 files could not be analyzed" in failed.label
    table = app.dataframe[0].value
    assert table["Faces"].tolist() == [0, 0, 0, 0, 1]
    assert table["Classes"].tolist()[:4] == ["could not be analyzed"] * 4
    # The chosen row is an invalid file: its error replaces the photo.
    assert "archive.jpg" in plain(app.error)
    choose_photo(app, 4)
    assert_sound(app)
    assert len(charts(app)) == 1
    pictures = [item["picture"] for item in component(app, "fer_studio_photo_strip")["items"]]
    assert pictures[:4] == [None] * 4 and pictures[4]


def test_files_of_other_types_and_beyond_the_limits_are_listed_and_counted_as_failed(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_studio.ui.analyze.photos._MAX_PHOTOS", 3)
    app = upload(
        open_app(),
        ("good.jfif", astronaut()),
        ("clip.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(20)),
        ("paper.pdf", b"%PDF-1.7"),
        ("fourth.jpg", astronaut()),
    )
    assert_sound(app)
    assert [metric.value for metric in app.metric] == ["4", "1", "0", "3"]
    (failed,) = [one for one in app.expander if "could not be analyzed" in one.label]
    messages = plain(failed.markdown)
    assert "clip.mp4 is a video" in messages
    assert "paper.pdf is not a picture" in messages
    assert "fourth.jpg was not analyzed: the limit is 3 photos" in messages
    assert app.dataframe[0].value["Photo"].tolist()[3] == "fourth.jpg"


@pytest.mark.parametrize("name", list(BAD_FILES))
def test_a_single_invalid_file_is_one_sentence(
    home: Settings, open_app: Callable[..., AppTest], name: str
) -> None:
    app = upload(open_app(), (name, BAD_FILES[name]))
    assert_sound(app)
    assert len(app.error) == 1
    assert plain(app.error).startswith(name)
    assert not charts(app)


def test_a_photo_without_a_face_offers_a_next_step_and_the_step_works(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = upload(open_app(), ("wall.jpg", wall()))
    assert_sound(app)
    assert "No face found in wall.jpg" in plain(app.warning)
    (button,) = [button for button in app.button if button.label == WHOLE]
    button.click().run()
    assert_sound(app)
    assert not app.warning
    assert len(charts(app)) == 1


def test_a_removed_photo_is_removed_from_memory(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    assert app.session_state["photo_results"]
    assert "shown_picture" in app.session_state
    app.button(key="remove_sample").click().run()
    assert_sound(app)
    assert not app.session_state["photo_results"]
    assert "shown_picture" not in app.session_state


def test_face_detection_can_be_skipped_for_all_pictures(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = upload(open_app(), ("wall.jpg", wall()), ("two.jpg", two_astronauts()))
    assert app.dataframe[0].value["Faces"].tolist() == [0, 2]
    app.toggle(key="whole").set_value(True).run()
    assert_sound(app)
    assert app.dataframe[0].value["Faces"].tolist() == [1, 1]
    app.toggle(key="whole").set_value(False).run()
    assert app.dataframe[0].value["Faces"].tolist() == [0, 2]


def test_another_model_gives_other_predictions(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    assert app.selectbox(key="model").options == ["Model: small (62.5 %)", "Model: other"]
    app.button(key="choose_sample").click().run()
    (before,) = charts(app)
    app.selectbox(key="model").set_value("other").run()
    assert_sound(app)
    (after,) = charts(app)
    assert before != after
    app.selectbox(key="model").set_value("small").run()
    assert charts(app) == [before]


def test_photos_are_analyzed_once_and_not_at_every_click(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_studio.ui.analyze import analysis

    analyzed = []
    original = analysis.analyze_photo

    def counted(content: bytes, name: str, *arguments: Any, **options: Any) -> Any:
        analyzed.append(name)
        return original(content, name, *arguments, **options)

    monkeypatch.setattr(analysis, "analyze_photo", counted)
    app = upload(open_app(), ("one.jpg", astronaut()), ("wall.jpg", wall()))
    assert analyzed == ["one.jpg", "wall.jpg"]
    choose_photo(app, 1)
    (button,) = [button for button in app.button if button.label == WHOLE]
    button.click().run()
    assert_sound(app)
    assert analyzed == ["one.jpg", "wall.jpg", "wall.jpg"]


def test_a_pause_before_the_first_photo_is_not_an_error(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time left was divided by the number of analyzed photos, which was 0."""
    monkeypatch.setattr("fer_studio.ui.analyze.analysis._SILENT_SECONDS", 0.0)
    app = upload(open_app(), ("one.jpg", astronaut()), ("wall.jpg", wall()))
    assert list(app.dataframe[0].value["Photo"]) == ["one.jpg", "wall.jpg"]


def test_the_shown_photo_is_decoded_once(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fer_core.vision import decode, photo
    from fer_studio.ui.analyze import shown_picture

    decoded = []

    def counted(content: bytes, name: str) -> Any:
        decoded.append(name)
        return decode.decode_picture(content, name)

    for module in (photo, shown_picture):
        monkeypatch.setattr(module, "decode_picture", counted)
    app = upload(open_app(), ("one.jpg", astronaut()))
    assert len(charts(app)) == 1
    app.run()
    assert_sound(app)
    assert decoded == ["one.jpg"]
    app.selectbox(key="model").set_value("other").run()
    assert decoded == ["one.jpg"] * 2


def test_a_snapshot_is_analyzed_like_a_photo(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.session_state["source"] = ":material/photo_camera: Camera"
    app.run()
    assert_sound(app)
    assert [camera.label for camera in app.camera_input] == ["Take a snapshot"]
    app.camera_input[0].set_value(("shot.jpg", astronaut(), "image/jpeg"))
    app.run()
    assert_sound(app)
    assert len(charts(app)) == 1


def test_without_any_model_the_page_explains_how_to_get_one(
    empty_home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    assert_sound(app)
    assert "There is no model yet" in plain([*app.error, *app.warning])
    app = upload(app, ("one.jpg", astronaut()))
    assert_sound(app)
    assert not charts(app)


@pytest.mark.parametrize("content", ["garbage", "{}", '{"labels": ["cat", "dog"]}', "\xff"])
def test_a_damaged_bundle_record_does_not_affect_other_models(
    home: Settings, open_app: Callable[..., AppTest], content: str
) -> None:
    (home.models_root / "small" / "bundle.json").write_bytes(content.encode("latin-1"))
    app = open_app()
    assert_sound(app)
    assert app.selectbox(key="model").options == ["Model: other"]
    assert "'small' is damaged" in plain(app.warning)
    app.button(key="choose_sample").click().run()
    assert_sound(app)
    assert len(charts(app)) == 1


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_a_model_without_its_network_is_one_sentence_and_another_can_be_chosen(
    home: Settings, open_app: Callable[..., AppTest], damage: str
) -> None:
    network = home.models_root / "small" / "model.onnx"
    network.unlink() if damage == "missing" else network.write_bytes(b"torn")
    app = upload(open_app(), ("one.jpg", astronaut()))
    assert_sound(app)
    assert "'small'" in plain(app.error)
    assert not charts(app)
    app.selectbox(key="model").set_value("other").run()
    assert_sound(app)
    assert not app.error
    assert len(charts(app)) == 1


@pytest.mark.parametrize("name", ["unknown-model", "../../etc", "", "sm\nall"])
def test_a_missing_default_model_is_reported_and_another_is_used(
    home: Settings, open_app: Callable[..., AppTest], name: str
) -> None:
    (home.models_root / "default").write_text(name)
    app = open_app()
    assert_sound(app)
    assert len(app.warning) == 1
    app.button(key="choose_sample").click().run()
    assert_sound(app)
    assert len(charts(app)) == 1


def test_deleting_the_chosen_model_does_not_break_the_page(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    app.selectbox(key="model").set_value("other").run()
    (home.models_root / "other" / "bundle.json").unlink()
    app.run()
    assert_sound(app)
    assert len(charts(app)) == 1


def test_a_model_that_is_replaced_on_disk_is_used_at_once(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    (before,) = charts(app)
    (home.models_root / "small" / "calibration.json").write_text('{"temperature": 5.0}')
    app.run()
    assert_sound(app)
    (after,) = charts(app)
    assert before != after


def test_without_yunets_file_a_download_is_offered_and_haar_is_used(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    assert app.selectbox(key="detector").options == ["Detector: Basic"]
    assert app.button(key="download_yunet").label == "Download YuNet"


def test_a_download_that_fails_is_one_sentence(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.request

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise OSError(111, "Connection refused")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    app = open_app()
    app.button(key="download_yunet").click().run()
    assert_sound(app)
    assert "Connection refused" in plain(app.error)


def test_no_photo_is_written_to_disk(home: Settings, open_app: Callable[..., AppTest]) -> None:
    def files() -> set[Path]:
        return {path for path in home.models_root.parent.rglob("*") if path.is_file()}

    before = files()
    upload(open_app(), ("one.jpg", astronaut()), ("empty.jpg", b""))
    assert files() == before


def test_a_jump_to_the_page_through_the_app_looks_the_same(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    before = [element.label for element in app.main.selectbox]
    app.switch_page("pages/analyze.py").run()
    assert_sound(app)
    assert [element.label for element in app.main.selectbox] == before


def test_a_pause_before_the_first_photo_is_no_error(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy server could divide by zero photos when it estimated the time left."""
    moments = itertools.count(step=10)
    monkeypatch.setattr(
        "fer_studio.ui.analyze.analysis.time", SimpleNamespace(monotonic=lambda: next(moments))
    )
    app = upload(open_app(), ("one.jpg", wall()), ("two.jpg", wall()))
    assert_sound(app)
    assert len(app.dataframe[0].value) == 2


def leave_and_return(app: AppTest) -> AppTest:
    app.switch_page("pages/dataset.py").run()
    app.switch_page("pages/analyze.py").run()
    assert_sound(app)
    return app


def is_unsaved(app: AppTest) -> bool:
    return bool(component(app, "fer_studio_address")["unsaved"])


def test_photos_and_results_survive_a_visit_to_another_page_until_they_are_removed(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = upload(open_app(), ("one.jpg", astronaut()), ("two.jpg", two_astronauts()))
    seen = charts(app)
    monkeypatch.setattr(
        "fer_studio.ui.analyze.analysis.analyze_photo", lambda *_: pytest.fail("analyzed again")
    )
    leave_and_return(app)
    assert "2 earlier photos still in memory" in plain(app.caption)
    assert charts(app) == seen
    assert list(app.dataframe[0].value["Photo"]) == ["one.jpg", "two.jpg"]
    monkeypatch.undo()
    # More photos are added to them.
    upload(leave_and_return(app), ("three.jpg", wall()))
    assert list(app.dataframe[0].value["Photo"]) == ["one.jpg", "two.jpg", "three.jpg"]
    app.button(key="remove_kept_uploads").click().run()
    assert_sound(app)
    assert not app.dataframe
    leave_and_return(app)
    assert "1 earlier photo still in memory" in plain(app.caption)
    app.button(key="remove_kept_uploads").click().run()
    assert "Drop photos above" in plain(app.markdown)
    assert app.session_state["photo_results"] == {}


def test_photos_over_the_memory_limit_are_not_kept_and_the_page_says_so(
    home: Settings, open_app: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_studio.ui.analyze.photos._MAX_KEPT_MB", 1)
    app = upload(open_app(), ("small.jpg", wall()), ("large.jpg", b"x" * 2_000_000))
    leave_and_return(app)
    assert "One photo was not kept while you were on another page" in plain(app.warning)
    assert "1 earlier photo still in memory" in plain(app.caption)
    assert [photo.name for photo in app.session_state["kept_uploads"].earlier] == ["small.jpg"]


def test_the_browser_asks_before_results_are_lost_until_they_are_removed(
    home: Settings, open_app: Callable[..., AppTest]
) -> None:
    app = open_app()
    app.button(key="choose_sample").click().run()
    assert not is_unsaved(app)  # everybody has the sample
    upload(app, ("one.jpg", astronaut()))
    assert is_unsaved(app)
    app.switch_page("pages/dataset.py").run()
    assert is_unsaved(app)
    app.switch_page("pages/analyze.py").run()
    app.button(key="remove_kept_uploads").click().run()
    app.file_uploader[0].set_value([]).run()
    assert not is_unsaved(app)
