"""Read datasets of picture files, such as Kaggle's FER2013, in any layout that is recognized."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.class_mapping import ClassChoice
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.folder_emotions import emotion_of_folder
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers.class_register import ClassRegister
from fer_core.dataset.readers.face_rows import FaceRows
from fer_core.dataset.readers.layouts.class_tree import class_positions
from fer_core.dataset.readers.layouts.layout import AnnotatedFace, SourceFiles, folders_of
from fer_core.dataset.readers.layouts.recognition import RecognizedSource, recognize_source
from fer_core.dataset.readers.layouts.split_folders import NamedSplit, undecided_folder_question
from fer_core.dataset.readers.other_files import report_other_files
from fer_core.dataset.readers.picture_reading import read_pictures
from fer_core.dataset.readers.pictures import decode_gray, to_face
from fer_core.dataset.readers.problems import ProblemLog, SkipReason
from fer_core.dataset.readers.sources import Source
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.dataset.splitting import SplitChoice
from fer_core.errors import InputError
from fer_core.progress import ProgressReport

_BOX_OUTSIDE = SkipReason("has a box outside its picture")


@dataclass(frozen=True, slots=True)
class _LabeledFace:
    """A face to read.

    Attributes:
        label: As ``ClassRegister.count_and_label`` returns it.
        annotated: What the layout states about the face.
        name: The path of the picture. If the picture has several faces, the number of the face
            follows the path.
    """

    label: int
    annotated: AnnotatedFace
    name: str


def read_labeled_pictures(
    files: SourceFiles,
    split_choice: SplitChoice,
    register: ClassRegister,
    problems: ProblemLog,
    *,
    roles: FolderRoles | None = None,
    report: ProgressReport | None = None,
) -> FaceSet:
    """Read pictures whose folders, file names, lists or annotations name their classes.

    FER2013's official splits are recognized by the prefixes of file names. The prefixes also
    distinguish the two test sets in Kaggle's ``test/`` folder. If a source contains one of the
    official test sets, missing splits stay missing. For any other source, missing splits are
    created as stratified shares of the training images.

    Args:
        files: The files of the source.
        split_choice: How missing splits are created.
        register: Gives the classes their labels.
        problems: Collects the pictures that cannot be used.
        roles: The roles that the user gave to folders.
        report: Called repeatedly with the number of pictures read and the total.

    Raises:
        InputError: No picture in the source can be used, or the user has to choose the role of a
            folder or the meaning of the class numbers.
    """
    source = files.source
    recognized = recognize_source(files, register.choice, roles or FolderRoles(), problems)
    register.resolve_class_numbers(_class_names(recognized))
    faces_by_picture = {
        name: faces for name, faces in _labeled_faces(recognized, register) if faces
    }
    # Ask the user before the pictures are read, because reading them may take minutes.
    if recognized.splits.undecided_folders:
        raise InputError(
            undecided_folder_question(source.label, recognized.splits.undecided_folders)
        )
    register.check_class_numbers()

    report_other_files(files, recognized.layout.faces, problems)
    rows = FaceRows(source.label)
    for name, picture in read_pictures(source, list(faces_by_picture), decode_gray, report):
        for face in faces_by_picture[name]:
            image = _crop(picture, face.annotated)
            if isinstance(image, SkipReason):
                problems.add(face.name, image, face.annotated.class_name)
                continue
            named_split = recognized.splits.of(face.annotated)
            split, is_official = _split(named_split, name.rpartition("/")[2])
            person = face.annotated.person or named_split.person
            rows.add(image, face.label, split, face.name, person)
            rows.has_official_splits |= is_official

    if not rows:
        if faces_by_picture:
            raise InputError(
                f"{source.label} contains no usable picture{problems.first_in_brackets()}"
            )
        register.report_left_out(problems)
        if not recognized.layout.has_class_folders:
            raise InputError(
                f"{source.label} contains no picture with a class that can be used"
                f"{problems.first_in_brackets()}"
            )
        raise InputError(_nothing_usable_message(source, register, problems))
    face_set = rows.to_face_set(split_choice, register, problems, report)
    return replace(face_set, notes=(*face_set.notes, *recognized.notes))


def register_picture_classes(
    files: SourceFiles,
    register: ClassRegister,
    roles: FolderRoles,
    problems: ProblemLog,
) -> RecognizedSource:
    """Recognize a source and count the faces of each class, without reading the pictures.

    If the user has to choose the role of a folder, the faces in this folder are counted as well.
    """
    recognized = recognize_source(files, register.choice, roles, problems)
    splits = recognized.splits
    for faces in recognized.layout.faces.values():
        for face in faces:
            if not splits.of(face).is_left_out or splits.is_undecided(face):
                register.count_and_label(face.class_name)
    return recognized


def has_class_folders(pictures: Sequence[str], choice: ClassChoice) -> bool:
    """Return True if pictures are sorted into folders of classes.

    If classes are mapped to emotions, one folder with the name of an emotion is enough. If the
    names of the source are kept, there must be two or more folders.
    """
    paths = {folders_of(name) for name in pictures}
    class_names = {
        path[position]
        for path, position in class_positions(paths, FolderRoles()).items()
        if position is not None
    }
    if choice.fixed_classes is None:
        return len(class_names) > 1
    return any(choice.target(name) is not None or emotion_of_folder(name) for name in class_names)


def _class_names(recognized: RecognizedSource) -> set[str]:
    return {face.class_name for faces in recognized.layout.faces.values() for face in faces}


def _labeled_faces(
    recognized: RecognizedSource, register: ClassRegister
) -> Iterator[tuple[str, list[_LabeledFace]]]:
    """Yield the path of each picture with its faces, without faces that are left out."""
    for name, faces in sorted(recognized.layout.faces.items()):
        labeled_faces = []
        for number, face in enumerate(faces, start=1):
            if recognized.splits.of(face).is_left_out:
                continue
            label = register.count_and_label(face.class_name)
            if label is not None:
                labeled_faces.append(
                    _LabeledFace(label, face, name if len(faces) == 1 else f"{name}#{number}")
                )
        yield name, labeled_faces


def _crop(
    picture: NDArray[np.uint8] | SkipReason, face: AnnotatedFace
) -> NDArray[np.uint8] | SkipReason:
    """Return a face of a picture, uint8 ``[48, 48]``, or why it is skipped."""
    if isinstance(picture, SkipReason):
        return picture
    if face.box is None:
        return to_face(picture)
    crop = face.box.cut(picture)
    return _BOX_OUTSIDE if crop is None else to_face(crop)


def _split(named_split: NamedSplit, file_name: str) -> tuple[int, bool]:
    """Return the split of a picture, and whether it is an official test set of FER2013.

    Args:
        named_split: The split that the user chose, or that a list, a table or a folder names.
        file_name: The name of the picture.
    """
    if named_split.is_explicit and named_split.split is not None:
        return named_split.split, named_split.is_official
    # A user who moves FER2013's files to another split's folder does so on purpose. Therefore the
    # file name is used only if the folder does not determine the split. An example is Kaggle's
    # folder test/, which contains both test sets.
    is_test = named_split.split == SPLITS.index("test")
    if named_split.split is None or (is_test and not named_split.is_official):
        file_split = _official_split(file_name)
        if file_split is not None and (file_split[1] or named_split.split is None):
            return file_split
    if named_split.split is None:
        return SPLITS.index("train"), False
    return named_split.split, named_split.is_official


def _official_split(file_name: str) -> tuple[int, bool] | None:
    """Return the split that a file name of FER2013 states; None for other names.

    The second value is True for the two official test sets.
    """
    prefix, separator, _ = file_name.partition("_")
    if separator and prefix in ("Training", "PublicTest", "PrivateTest"):
        return split_from_name(prefix)
    return None


def _nothing_usable_message(source: Source, register: ClassRegister, problems: ProblemLog) -> str:
    """Return the error message for a source without a usable picture in a class folder."""
    emotions = register.choice.fixed_classes
    if emotions is None:
        return (
            f"{source.label} contains no usable picture in a folder named after a class; arrange "
            f"it as train/<class>/… and test/<class>/…{problems.first_in_brackets()}"
        )
    return (
        f"{source.label} contains no usable picture in a folder named after an emotion "
        f"({', '.join(emotions)}); arrange it as train/<emotion>/… and test/<emotion>/…, or import "
        f"it with --classes folders to keep the names of its folders{problems.first_in_brackets()}"
    )
