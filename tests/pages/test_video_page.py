"""The video page: empty, while a job runs, with results, with invalid files, on a shared server."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn_videos import (
    GREEN,
    Person,
    at_rate,
    drawn_analyzer,
    scene,
    settings_for,
    write_video,
)
from logins import SECRETS, user
from streamlit.testing.v1 import AppTest

from fer_core.access import Admission, Role
from fer_core.errors import InputError
from fer_core.settings import PROJECT_ROOT, Settings
from fer_core.video import analysis_queue
from fer_core.video.analyses import list_analyses
from fer_core.video.analysis_folder import AnalysisFolder, AnalysisStatus
from fer_core.video.analysis_job import run_analysis
from fer_core.video.edits import EditHistory
from fer_studio.ui.video.loaded_analysis import load_analysis

OpenVideo = Callable[..., AppTest]
#: A server on which Ada is not an editor.
_SECRETS = SECRETS | {"access": {"editors": ["eve@example.org"], "viewers": ["*@example.org"]}}


def texts(elements: Sequence[Any]) -> str:
    return " ".join(str(element.value) for element in elements).replace("\\", "")


def assert_sound(app: AppTest) -> None:
    assert not app.exception, texts(app.exception)
    assert [title.value for title in app.title] == ["Video"]
    assert "banned in the European Union" in texts(app.markdown)


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are queued and never started."""
    monkeypatch.setattr(analysis_queue, "start_next_analysis", lambda settings: None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons for 1.2 seconds; the first one changes from happy to sad."""
    images = [
        scene(Person(40, 60, "happy" if number < 15 else "sad"), Person(200, 60, "angry", GREEN))
        for number in range(30)
    ]
    return write_video(tmp_path_factory.mktemp("page") / "talk.mp4", at_rate(images))


@pytest.fixture
def analyzed(home: Settings, clip: Path) -> AnalysisFolder:
    """A finished analysis."""
    folder = AnalysisFolder(home.analyses_root / "20260101-120000-talk")
    folder.create(settings_for(clip))
    run_analysis(folder, home, analyzer=drawn_analyzer())
    return folder


@pytest.fixture
def open_video() -> OpenVideo:
    """``open_video(email="ada@example.org")``: the page, on a shared server with an address."""

    def call(email: str | None = None, **query: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=180)
        if email is not None:
            app.secrets, app.user = _SECRETS, user(email)
        app.switch_page("pages/video.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert_sound(app)
        return app

    return call


def keyed(app: AppTest, key: str) -> Any:
    (found,) = [one for one in (*app.button, *app.text_input) if (one.key or "").startswith(key)]
    return found


def click(app: AppTest, key: str) -> AppTest:
    keyed(app, key).click().run()
    assert_sound(app)
    return app


def test_the_empty_page_explains_itself_and_offers_a_sample(
    home: Settings, open_video: OpenVideo
) -> None:
    app = open_video()
    assert "Upload a video above" in texts(app.markdown)
    assert "stores the file on the machine that runs this app, until you delete the analysis" in (
        texts(app.caption)
    )
    assert keyed(app, "video_start").disabled
    assert not app.error
    click(app, "video_sample")
    (summary,) = list_analyses(home)
    assert summary.settings.video == "sample.mp4" and summary.state == "queued"
    assert (summary.folder.path / "source.mp4").is_file()
    assert "waiting, number 1 in the queue" in str(app.get("progress")[0].proto.text).lower()


def test_an_upload_becomes_an_analysis_with_the_chosen_options(
    home: Settings, open_video: OpenVideo, clip: Path
) -> None:
    app = open_video()
    app.file_uploader[0].set_value([("My talk.mp4", clip.read_bytes(), "video/mp4")])
    app.selectbox(key="video_rate").set_value("5 per second")
    app.text_input(key="video_from").set_value("0:00.2")
    app.radio(key="video_keeps").set_value("Delete it when the analysis has ended")
    app.checkbox(key="video_annotates").check()
    app.run()
    assert "until the analysis has ended" in texts(app.caption)
    click(app, "video_start")
    (summary,) = list_analyses(home)
    chosen = summary.settings
    assert (chosen.video, chosen.per_second, chosen.start) == ("My talk.mp4", 5.0, 0.2)
    assert (chosen.keeps_video, chosen.annotates, chosen.blurs) == (False, True, False)
    assert (chosen.model, chosen.detector, chosen.owner) == ("small", "haar", "")
    assert not app.error


def test_invalid_files_and_options_are_explained_and_nothing_is_kept(
    home: Settings, open_video: OpenVideo, clip: Path
) -> None:
    app = open_video()
    app.file_uploader[0].set_value(
        [("bad.mp4", b"nothing", "video/mp4"), ("good.mp4", clip.read_bytes(), "video/mp4")]
    )
    app.run()
    click(app, "video_start")
    assert "bad.mp4 is not a video that can be read" in texts(app.error)
    assert [one.settings.video for one in list_analyses(home)] == ["good.mp4"]
    app.text_input(key="video_from").set_value("later").run()
    assert "A time should be in seconds" in texts(app.error)
    assert keyed(app, "video_start").disabled


def test_videos_of_the_import_folder(
    home: Settings,
    open_video: OpenVideo,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    imports = tmp_path / "imports"
    imports.mkdir()
    (imports / "long.mp4").write_bytes(clip.read_bytes())
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(imports))
    app = open_video()
    app.get("button_group")[0].set_value("Import folder").run()
    app.text_input(key="video_path").set_value("../talk.mp4").run()
    click(app, "video_start")
    assert "There is nothing to import at '../talk.mp4'" in texts(app.error)
    app.text_input(key="video_path").set_value(".").run()
    click(app, "video_start")
    (summary,) = list_analyses(home)
    assert summary.settings.source == str(imports / "long.mp4")
    assert summary.settings.keeps_video


def test_videos_beyond_the_limit_are_mentioned(
    home: Settings,
    open_video: OpenVideo,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for number in range(3):
        shutil.copy(clip, tmp_path / f"{number}.mp4")
    monkeypatch.setenv("FER_STUDIO_IMPORT_ROOTS", str(tmp_path))
    monkeypatch.setattr("fer_studio.ui.video.new_analysis._MAX_FILES", 2)
    app = open_video()
    app.get("button_group")[0].set_value("Import folder").run()
    app.text_input(key="video_path").set_value(".").run()
    click(app, "video_start")
    assert sorted(one.settings.video for one in list_analyses(home)) == ["0.mp4", "1.mp4"]
    assert "Only the first 2 of 3 videos are analyzed" in texts(app.error)


def test_progress_with_time_left_and_stop(
    home: Settings, open_video: OpenVideo, clip: Path
) -> None:
    folder = AnalysisFolder(home.analyses_root / "20260101-120000-talk")
    folder.create(settings_for(clip))
    status = AnalysisStatus(
        state="running", phase="analyzing", done=30.0, total=120.0, seconds_left=45.0
    )
    with folder.locked():
        folder.write_status(status)
        app = open_video()
        (bar,) = app.get("progress")
        assert bar.proto.text.replace("\\", "") == "Analyzing: 0:30 of 2:00, about 0:45 left"
        assert bar.proto.value == 25
        click(app, "video_stop")
        assert folder.is_stop_requested()
    app.run()
    assert_sound(app)
    assert "ended unexpectedly" in texts(app.markdown)
    click(app, "video_continue")
    assert list_analyses(home)[0].state == "queued"


def timelines(app: AppTest) -> list[dict[str, Any]]:
    """What the page sends to the timeline, if it draws one."""
    return [
        json.loads(one.proto.json)
        for one in app.get("bidi_component")
        if one.proto.component_name == "fer_studio_emotion_timeline"
    ]


def test_results_show_the_first_moment_and_react_to_an_episode(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    app = open_video()
    assert not app.error
    assert [person["title"] for person in timelines(app)[0]["persons"]] == ["Person 1", "Person 2"]
    markdown = texts(app.markdown)
    assert markdown.count('class="fer-bars"') == 2
    assert "Person 1: happy 88 %" in markdown and "Person 2: angry 88 %" in markdown
    captions = texts(app.caption)
    assert "The frame at 0:00.00, with unsmoothed probabilities" in captions
    assert "Subtitles: smoothed probabilities" in captions
    (episodes,) = [table.value for table in app.dataframe if "Class" in table.value.columns]
    assert list(episodes["Class"]) == ["happy", "angry", "sad"]
    app.session_state[f"video_time_{analyzed.id}"] = 0.8
    app.run()
    assert "Person 1: sad 88 %" in texts(app.markdown)
    assert "The frame at 0:00.80" in texts(app.caption)


def test_faces_beyond_the_limit_are_mentioned(
    analyzed: AnalysisFolder, open_video: OpenVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "at this time are shown" not in texts(open_video().caption)
    monkeypatch.setattr("fer_studio.ui.video.moment._MAX_FACES", 1)
    app = open_video()
    assert "The probabilities of 1 of the 2 faces at this time are shown" in texts(app.caption)
    assert texts(app.markdown).count('class="fer-bars"') == 1


def test_filters_that_leave_no_episode_are_explained(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    app = open_video(analysis=analyzed.id, minimum="0.95")
    assert "No episode matches the filters" in texts(app.info)


def test_no_episode_stays_selected_when_the_filters_show_others(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    def table_id(**query: str) -> str:
        app = open_video(analysis=analyzed.id, **query)
        (found,) = [one for one in app.dataframe if "Class" in one.value.columns]
        return str(found.proto.id)

    assert table_id() == table_id()
    assert table_id() != table_id(emotions="sad")


def test_a_time_range_after_the_last_frame_is_not_applied(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    status = analyzed.read_status()
    assert status is not None
    analyzed.write_status(replace(status, seconds=5.0))
    # The slider ends at 6, the next whole second after the last frame.
    app = open_video(analysis=analyzed.id, time="5|6")
    assert timelines(app)[0]["limits"] == [0.0, 5.0]


def test_the_form_is_drawn_when_it_is_opened(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    app = open_video()
    assert not app.file_uploader
    app.session_state["video_new"] = True
    app.run()
    assert_sound(app)
    app.session_state["video_new"] = False
    app.run()
    assert len(app.file_uploader) == 1  # its files would be lost


def test_persons_are_renamed_merged_and_excluded_with_undo(
    analyzed: AnalysisFolder, open_video: OpenVideo
) -> None:
    app = open_video()
    keyed(app, f"video_name_{analyzed.id}_1").set_value("Ada").run()
    assert_sound(app)
    assert "Ada: happy 88 %" in texts(app.markdown)
    click(app, f"video_exclude_{analyzed.id}_2")
    assert "Person 2: angry" not in texts(app.markdown)
    assert EditHistory(analyzed.path).current.excluded == (2,)
    click(app, f"video_undo_{analyzed.id}")
    assert "Person 2: angry" in texts(app.markdown)
    (merge,) = [
        box for box in app.selectbox if (box.key or "").startswith(f"video_merge_{analyzed.id}_2")
    ]
    merge.set_value(1).run()
    assert_sound(app)
    assert EditHistory(analyzed.path).current.merged == {"2": 1}
    click(app, f"video_undo_{analyzed.id}")
    click(app, f"video_undo_{analyzed.id}")
    assert EditHistory(analyzed.path).current.names == {}
    assert keyed(app, f"video_undo_{analyzed.id}").disabled


def test_markers_are_added_and_removed(analyzed: AnalysisFolder, open_video: OpenVideo) -> None:
    app = open_video()
    click(app, f"video_add_marker_{analyzed.id}")
    assert "A marker needs a name" in texts(app.error)
    app.session_state[f"video_time_{analyzed.id}"] = 0.5
    app.run()
    keyed(app, f"video_marker_{analyzed.id}").set_value("question 3")
    click(app, f"video_add_marker_{analyzed.id}")
    assert [(one.seconds, one.name) for one in EditHistory(analyzed.path).current.markers] == [
        (0.5, "question 3")
    ]
    assert timelines(app)[0]["markers"] == [{"seconds": 0.5, "name": "question 3"}]
    assert timelines(app)[0]["current"] == 0.5
    click(app, f"video_remove_{analyzed.id}")
    assert EditHistory(analyzed.path).current.markers == ()


def test_downloads_are_offered_and_the_annotated_video_can_be_made(
    analyzed: AnalysisFolder, home: Settings, open_video: OpenVideo
) -> None:
    app = open_video()
    chart, *tables = app.download_button
    assert chart.label == "CSV" and chart.key == f"chart_video_timeline_{analyzed.id}_csv"
    assert [button.label for button in tables] == ["CSV", "Parquet", "JSON", "Subtitles"]
    click(app, f"video_draw_{analyzed.id}")
    assert analyzed.read_settings().annotates
    assert list_analyses(home)[0].state == "queued"


def test_a_video_that_is_no_longer_stored_shows_stored_pictures(
    home: Settings, open_video: OpenVideo, clip: Path
) -> None:
    folder = AnalysisFolder(home.analyses_root / "20260101-120000-talk")
    folder.path.mkdir(parents=True)
    (folder.path / "source.mp4").write_bytes(clip.read_bytes())
    folder.create(settings_for(clip, source="source.mp4", keeps_video=False))
    run_analysis(folder, home, analyzer=drawn_analyzer())
    app = open_video()
    assert "is no longer stored" in texts(app.info)
    assert "A small stored picture of about 0:00.00" in texts(app.caption)
    assert not app.error
    assert not [one for one in app.button if (one.key or "").startswith("video_draw_")]


def test_an_analysis_without_faces_says_so(
    home: Settings, open_video: OpenVideo, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "empty.mp4", at_rate([scene()] * 5))
    folder = AnalysisFolder(home.analyses_root / "20260101-120000-empty")
    folder.create(settings_for(path))
    run_analysis(folder, home, analyzer=drawn_analyzer())
    app = open_video()
    assert "No face was found" in texts(app.info)


@pytest.mark.parametrize("damaged", ["faces.parquet", "edits.json"])
def test_damaged_results_are_explained(
    analyzed: AnalysisFolder, open_video: OpenVideo, damaged: str
) -> None:
    (analyzed.path / damaged).write_text("{")
    app = open_video()
    assert f"{damaged} is damaged" in texts(app.error)


def test_results_that_were_deleted_since_the_page_was_drawn_are_explained(
    analyzed: AnalysisFolder, home: Settings
) -> None:
    (summary,) = list_analyses(home)
    shutil.rmtree(analyzed.path)
    with pytest.raises(InputError, match="no longer exist"):
        load_analysis(summary)


def test_an_analysis_is_deleted(analyzed: AnalysisFolder, open_video: OpenVideo) -> None:
    app = open_video()
    click(app, "video_delete_confirmed")
    assert not analyzed.path.exists()
    assert "Upload a video above" in texts(app.markdown)


def test_a_viewer_analyzes_and_sees_only_own_analyses(
    analyzed: AnalysisFolder,
    home: Settings,
    open_video: OpenVideo,
) -> None:
    app = open_video("ada@example.org")
    assert not timelines(app)
    assert "Other visitors do not see them" in texts(app.caption)
    click(app, "video_sample")
    viewer = Admission(Role.VIEWER, True, "ada@example.org", is_logged_in=True)
    (mine,) = list_analyses(home, viewer)
    assert mine.settings.owner == "ada@example.org"
    # A forged address does not open the analysis of somebody else; editors see no more.
    app = open_video("ada@example.org", analysis=analyzed.id)
    assert app.selectbox(key="analysis").value == mine.folder.id
    assert not timelines(open_video("eve@example.org", analysis=mine.folder.id))


def test_texts_of_users_are_not_markdown(home: Settings, open_video: OpenVideo, clip: Path) -> None:
    folder = AnalysisFolder(home.analyses_root / "20260101-120000-x")
    folder.create(settings_for(clip, video="**bold** [x](y).mp4"))
    folder.write_status(AnalysisStatus(state="failed", message="**bold** [x](y).mp4 is damaged"))
    app = open_video()
    (shown,) = [one.value for one in app.markdown if "is damaged" in one.value]
    assert "\\*\\*bold" in shown
