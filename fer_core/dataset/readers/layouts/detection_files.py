"""Read the boxes of faces from files for object detection: COCO, CreateML and Pascal VOC."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from fer_core.dataset.readers.layouts.layout import (
    AnnotatedFace,
    Box,
    Layout,
    SourceFiles,
    folders_of,
)
from fer_core.dataset.readers.layouts.picture_finder import PictureFinder
from fer_core.dataset.readers.layouts.small_files import files_about_many_pictures, read_text
from fer_core.dataset.readers.problems import ProblemLog, SkipReason, printable_text, shortened
from fer_core.dataset.readers.split_names import split_from_name
from fer_core.files import parse_json
from fer_core.phrases import counted

_MAX_XML_BYTES = 2**20
_MAX_NAME = 100

_NO_BOX = SkipReason("has no box of a face in the annotations")
_BAD_BOX = SkipReason("has a box that is not four numbers or has no area")

#: The path of a picture, the class of a face in it, and the box of the face, which is None if the
#: file states no valid box.
_FoundFace = tuple[str, str, Box | None]


def read_detection_files(files: SourceFiles, problems: ProblemLog) -> Layout | None:
    """Read boxes and classes from COCO's or CreateML's JSON, or from Pascal VOC's XML.

    Each box is a face. The split comes from the name of the annotation file
    (``instances_val.json``). If this name states no split, the split comes from the folders of the
    picture.

    Args:
        files: The files of the source.
        problems: Collects the pictures and boxes that cannot be used.

    Returns:
        The layout; None if no file states a valid box in a picture of the source.
    """
    finder = PictureFinder(files.pictures)
    # The faces of each picture, by the face without its split.
    faces: dict[str, dict[AnnotatedFace, AnnotatedFace]] = defaultdict(dict)
    formats: Counter[str] = Counter()
    for name, file_format, found_faces in (*_json_files(files), *_xml_files(files)):
        named_split = split_from_name(name.rpartition("/")[2].rpartition(".")[0])
        for path, class_name, box in found_faces:
            picture = finder.find(name, path)
            if isinstance(picture, SkipReason):
                problems.add(f"{name}: {shortened(printable_text(path), _MAX_NAME)}", picture)
            elif box is None:
                problems.add(picture, _BAD_BOX)
            else:
                # A folder "images" belongs to the format, and is neither a split nor a class.
                folders = tuple(part for part in folders_of(picture) if part.lower() != "images")
                face = AnnotatedFace(
                    shortened(printable_text(class_name), _MAX_NAME),
                    folders,
                    split=None if named_split is None else named_split[0],
                    box=box,
                )
                # Several files may contain the same annotation, for example in two formats. The
                # first file whose name states a split determines the split.
                known = faces[picture].get(replace(face, split=None))
                formats[file_format] += known is None
                if known is None or known.split is None:
                    faces[picture][replace(face, split=None)] = face
    if not faces:
        return None
    for picture in files.pictures:
        if picture not in faces:
            problems.add(picture, _NO_BOX, class_name="")
    count = counted(sum(formats.values()), "face")
    note = f"The classes and boxes of {count} were read from the files of {' and '.join(formats)}."
    return Layout(
        {picture: tuple(group.values()) for picture, group in faces.items()}, notes=[note]
    )


def _json_files(files: SourceFiles) -> Iterator[tuple[str, str, Iterator[_FoundFace]]]:
    """Yield the path, the format and the faces of each JSON file with annotations."""
    for name in files_about_many_pictures(files.names, (".json",)):
        text = read_text(files.source, name)
        try:
            document = None if isinstance(text, SkipReason) else parse_json(text)
        except ValueError:
            continue
        if isinstance(document, dict) and {"images", "annotations", "categories"} <= set(document):
            yield name, "COCO", _coco_faces(document)
        elif _is_create_ml(document):
            yield name, "CreateML", _create_ml_faces(document)


def _coco_faces(document: dict[str, Any]) -> Iterator[_FoundFace]:
    pictures = {_id(item, "id"): item.get("file_name") for item in _records(document["images"])}
    classes = {_id(item, "id"): item.get("name") for item in _records(document["categories"])}
    for item in _records(document["annotations"]):
        path, name = pictures.get(_id(item, "image_id")), classes.get(_id(item, "category_id"))
        if isinstance(path, str) and name is not None:
            yield path, str(name), _box(item.get("bbox"))


def _id(item: dict[str, Any], key: str) -> int | float | str | None:
    """Return the ID in an object; None if it is neither a number nor a string."""
    value = item.get(key)
    return value if isinstance(value, int | float | str) else None


def _is_create_ml(document: Any) -> bool:
    records = _records(document)
    return bool(records) and all({"image", "annotations"} <= set(record) for record in records)


def _create_ml_faces(document: Any) -> Iterator[_FoundFace]:
    for record in _records(document):
        for item in _records(record["annotations"]):
            name, values = item.get("label"), item.get("coordinates")
            if name is None or not isinstance(values, dict):
                continue
            center_x, center_y, width, height = (
                values.get(key) for key in ("x", "y", "width", "height")
            )
            box = _box([center_x, center_y, width, height])
            # CreateML states the center: move the box by half of its size.
            if box is not None:
                half_width, half_height = (box.right - box.left) / 2, (box.bottom - box.top) / 2
                box = Box(
                    box.left - half_width,
                    box.top - half_height,
                    box.right - half_width,
                    box.bottom - half_height,
                )
            yield str(record["image"]), str(name), box


def _records(items: Any) -> list[dict[str, Any]]:
    """Return the JSON objects in a list; an empty list for any other value."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _box(values: Any) -> Box | None:
    """Return a box from left, top, width and height; None if these values are invalid."""
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return None
    left, top, width, height = values
    return Box(left, top, left + width, top + height) if width > 0 and height > 0 else None


def _xml_files(files: SourceFiles) -> Iterator[tuple[str, str, Sequence[_FoundFace]]]:
    """Yield the path, the format and the faces of each XML file with annotations."""
    names = [name for name in files.names if name.lower().endswith(".xml")]
    for name, content in files.source.read_all(names):
        if isinstance(content, SkipReason) or len(content) > _MAX_XML_BYTES:
            continue
        # Skip files with declarations: declared entities can make a small file fill the memory.
        # The search cannot find declarations in UTF-16, so files with zero bytes are skipped, too.
        if re.search(rb"<!(?!--)", content) or b"\0" in content:
            continue
        try:
            root = ElementTree.fromstring(content)
        except (ElementTree.ParseError, ValueError):
            continue
        if root.tag == "annotation":
            yield name, "Pascal VOC", list(_voc_faces(root, name))


def _voc_faces(root: ElementTree.Element, name: str) -> Iterator[_FoundFace]:
    path = root.findtext("filename") or name.rpartition("/")[2].rpartition(".")[0]
    for item in root.iter("object"):
        class_name, corners = item.findtext("name"), item.find("bndbox")
        if class_name is None or corners is None:
            continue
        texts = [corners.findtext(key) for key in ("xmin", "ymin", "xmax", "ymax")]
        try:
            left, top, right, bottom = (float(text or "") for text in texts)
        except ValueError:
            yield path, class_name, None
            continue
        yield path, class_name, _box([left, top, right - left, bottom - top])
