"""The number of pictures in the folders about which the user has to decide."""

from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, Layout
from fer_core.dataset.readers.layouts.split_folders import find_split_folders
from fer_core.dataset.readers.problems import ProblemLog


def test_a_picture_with_several_faces_counts_once() -> None:
    def faces(folder: str, count: int) -> list[AnnotatedFace]:
        return [AnnotatedFace("happy", (folder,))] * count

    layout = Layout(
        {"a/1.png": faces("a", 3), "a/2.png": faces("a", 1), "train/3.png": faces("train", 2)}
    )
    splits = find_split_folders(layout, FolderRoles(), ProblemLog())
    assert {(one.name, one.role, one.count) for one in splits.folders} == {
        ("a", None, 2),
        ("train", "train", 1),
    }
