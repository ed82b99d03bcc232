"""Sentences about the result of an import: combined classes, classes without images, problems."""

from __future__ import annotations

from fer_core.dataset.class_mapping import merged_classes
from fer_core.dataset.face_set import FaceSet, Problem
from fer_core.dataset.statistics import class_counts


def class_warnings(face_set: FaceSet) -> tuple[str, ...]:
    """Return sentences about classes that have no image in the dataset or in one of its splits."""
    counts_by_split = {split: counts for split, counts in class_counts(face_set).items() if counts}
    splits_without_class = {
        name: [split for split, counts in counts_by_split.items() if not counts[name]]
        for name in face_set.classes
    }
    empty = [
        name for name, splits in splits_without_class.items() if len(splits) == len(counts_by_split)
    ]
    sentences = []
    if empty:
        sentences.append(
            f"There is no image of {', '.join(empty)}: a model cannot learn "
            f"{'this class' if len(empty) == 1 else 'these classes'}."
        )
    for split in counts_by_split:
        names = [
            name
            for name, splits in splits_without_class.items()
            if split in splits and name not in empty
        ]
        if names:
            class_text = "this class" if len(names) == 1 else "these classes"
            effect = (
                f"a model cannot learn {class_text}"
                if split == "train"
                else f"the metrics of {class_text} are undefined there"
            )
            sentences.append(f"There is no {split} image of {', '.join(names)}: {effect}.")
    return tuple(sentences)


def merge_notes(face_set: FaceSet) -> tuple[str, ...]:
    """Return a sentence for each class into which several classes of the source were combined."""
    return tuple(
        f"{', '.join(names)} became {target}."
        for target, names in merged_classes(face_set.source_classes).items()
    )


def problem_text(problem: Problem) -> str:
    """Return a problem as one line, with the number of files or rows if there are several."""
    # A name such as "… and 5,178 more" contains the number already.
    count = f" ({problem.count:,})" if problem.count > 1 and "…" not in problem.name else ""
    return f"{problem.name} {problem.reason}{count}"
