"""The fields in which the user chooses what each folder and class of a source becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from fer_core.access import Role
from fer_core.dataset.class_mapping import (
    ClassChoice,
    ClassScheme,
    SourceClass,
    choice_problem,
    merged_classes,
    unknown_numbers,
    with_targets,
)
from fer_core.dataset.class_numbers import CLASS_ORDERS, ClassOrder, class_number
from fer_core.dataset.folder_roles import FolderRoles
from fer_core.dataset.readers import SourceReport, examine_source
from fer_core.dataset.readers.layouts.split_folders import SplitFolder
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError
from fer_core.jobs.job import Job, JobKind
from fer_core.phrases import counted
from fer_studio.ui.dataset.folder_choice import choose_folders
from fer_studio.ui.jobs import job_service, result_of, show_progress, start_job
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

CLASS_CHECK = JobKind("class check", Role.EDITOR)

#: Seconds to wait for the counts before a progress bar is shown. Most sources are counted sooner.
_PROGRESS_DELAY_SECONDS = 0.7
#: Maximum number of classes that are listed. A source with many more is probably not divided into
#: folders of classes.
_MAX_SHOWN = 60
_LEAVE_OUT = "(leave out)"
_SCHEMES: dict[ClassScheme, str] = {
    "emotions": "Seven emotions",
    "emotions8": "Eight emotions",
    "folders": "As named",
}


@dataclass(frozen=True)
class ImportSource:
    """A source that the user has chosen for an import.

    Attributes:
        key: Identifies the content of the source.
        title: The name of the file or folder.
        open_path: Returns a context manager that provides the path of the source. An upload is
            stored on disk only within this context.
        other_splits: If the source is the folder of one split, the names of the folders of other
            splits next to it. Empty for all other sources.
    """

    key: str
    title: str
    open_path: Callable[[Job], AbstractContextManager[Path]]
    other_splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportChoice:
    """The user's choices about a source.

    Attributes:
        classes: Which class of the dataset each class of the source becomes.
        folders: The roles that the user gave to folders: a split, a class, or left out. All other
            folders keep the roles that their names suggest.
    """

    classes: ClassChoice
    folders: FolderRoles


def choose_folders_and_classes(source: ImportSource) -> ImportChoice | None:
    """Draw a field for each folder and each class of a source, to choose what it becomes.

    Returns:
        The choice; None as long as there is no valid choice. The page then shows why: the classes
        are still being counted, the source cannot be read, or a choice is missing or invalid.
    """
    folder_fields = st.container()
    # This field is drawn whenever the page is drawn, even while the classes are counted, because
    # Streamlit drops the value of a field that is not drawn.
    scheme: ClassScheme = st.segmented_control(
        "Classes",
        list(_SCHEMES),
        format_func=_SCHEMES.__getitem__,
        default="emotions",
        required=True,
        key="import_scheme",
        help="Seven or eight emotions: other names of an emotion, such as scared, are recognized. "
        "Classes that are none of the emotions are left out unless you choose what they become. As "
        "named: every class keeps its name.",
    )
    try:
        default_report = _source_report(source, scheme, FolderRoles())
        if default_report is None:
            return None
        with folder_fields:
            folders = _folders_to_choose(source, default_report)
            roles = choose_folders(folders, f"{source.key}_{scheme}")
        report = (
            default_report
            if roles is None or not roles.roles
            else _source_report(source, scheme, roles)
        )
    except InputError as error:
        show_error(error)
        return None
    # While the source is being read with the chosen roles, the page shows the classes with the
    # default roles.
    latest_report = report or default_report
    with folder_fields:
        for note in latest_report.notes:
            st.caption(plain_text(note))
    class_choice = _choose_classes(latest_report.classes, scheme, source.key)
    if roles is None or report is None or class_choice is None:
        return None
    return ImportChoice(class_choice, roles)


def _folders_to_choose(source: ImportSource, report: SourceReport) -> tuple[SplitFolder, ...]:
    """Return the folders for which the user chooses a split.

    If the source is only one split of a dataset, the first of these folders is the source itself,
    and the page shows a warning.
    """
    if not source.other_splits:
        return report.folders
    st.warning(
        f"{plain_text(source.title)} is only one split of a dataset: the folder above it also "
        f"contains {plain_text(', '.join(source.other_splits))}. Import the folder above it, or "
        f"choose the split of {plain_text(source.title)} below.",
        icon=":material/help:",
    )
    count = sum(source_class.count for source_class in report.classes)
    undecided = SplitFolder(source.title, None, count)
    return undecided, *report.folders


def _choose_classes(
    source_classes: Sequence[SourceClass], scheme: ClassScheme, key: str
) -> ClassChoice | None:
    """Draw the fields of all classes, and what becomes of the classes.

    Returns:
        The choice; None if it is not valid. The page then shows the problem.
    """
    order = _choose_order(source_classes, scheme, key)
    default_choice = ClassChoice(scheme, order=order)
    choice = ClassChoice(scheme, _choose_changes(source_classes, default_choice, key), order)
    _show_outcome(with_targets(source_classes, choice), choice)
    problem = choice_problem(source_classes, choice)
    if problem is None:
        return choice
    if unknown_numbers(source_classes, choice) and order is None:
        st.warning(
            "The classes are numbers, and datasets number the emotions differently. Choose the "
            "order, or the emotion of each number.",
            icon=":material/help:",
        )
    else:
        show_error(problem)
    return None


def _choose_order(
    source_classes: Sequence[SourceClass], scheme: ClassScheme, key: str
) -> ClassOrder | None:
    """Draw the selection of the order of the class numbers, if their emotions are not known.

    Returns:
        The chosen order; None if no order is needed or chosen.
    """
    if not unknown_numbers(source_classes, ClassChoice(scheme)):
        return None
    chosen_name = st.selectbox(
        "Order of the class numbers",
        list(CLASS_ORDERS),
        index=None,
        format_func=lambda name: _order_text(CLASS_ORDERS[name], source_classes),
        placeholder="Choose a dataset's order, or choose each class below",
        key=f"import_order_{key}",
        help="Datasets number the emotions differently. Choose the dataset from which the numbers "
        "come.",
    )
    return None if chosen_name is None else CLASS_ORDERS[chosen_name]


def _order_text(order: ClassOrder, source_classes: Sequence[SourceClass]) -> str:
    """Return the title of an order, and the name that it gives to each number of the source."""
    numbers = {
        number
        for source_class in source_classes
        if (number := class_number(source_class.name)) is not None
    }
    names = order.names_of(numbers)
    return f"{order.title}: {', '.join(f'{number} {names[number]}' for number in sorted(names))}"


def _source_report(
    source: ImportSource, scheme: ClassScheme, roles: FolderRoles
) -> SourceReport | None:
    """Return what an import would find.

    Returns:
        The report; None while the classes are counted. Meanwhile the page shows the progress.

    Raises:
        InputError: The source cannot be read.
    """
    # Seven and eight emotions share a report, because the source has the same classes for both.
    choice = ClassChoice("folders" if scheme == "folders" else "emotions")
    key = " ".join((source.key, choice.scheme, *(f"{name}={role}" for name, role in roles.roles)))
    job = job_service().get(CLASS_CHECK, key)
    if job is None:

        def examine(job: Job) -> SourceReport:
            with source.open_path(job) as path:
                return examine_source(path, choice, job.report, folder_roles=roles)

        job = start_job(CLASS_CHECK, key, f"Counting the classes of {source.title}", examine)
        job.wait(_PROGRESS_DELAY_SECONDS)
    if not job.is_finished:
        show_progress(job, stop_key=None)
        return None
    report: SourceReport = result_of(job)
    return report


def _choose_changes(
    source_classes: Sequence[SourceClass], default_choice: ClassChoice, key: str
) -> tuple[tuple[str, str | None], ...]:
    """Draw one select box for each class of the source, to choose the class that it becomes.

    Returns:
        The user's changes to the default choice, as in ``ClassChoice.changes``.
    """
    mapped = with_targets(source_classes, default_choice)
    targets = [source_class.target for source_class in mapped if source_class.target is not None]
    fixed_classes = default_choice.fixed_classes
    numbered_choice = _with_numbers(default_choice, source_classes)
    unknown_names = set(unknown_numbers(source_classes, numbered_choice))
    order = default_choice.order
    key = f"{key}_{default_choice.scheme}_{order.title if order else ''}"
    options = [*(fixed_classes or dict.fromkeys(targets)), _LEAVE_OUT]
    changes: list[tuple[str, str | None]] = []
    name_counts: Counter[str] = Counter()
    with st.container(horizontal=True, key="import_classes"):
        for source_class in mapped[:_MAX_SHOWN]:
            name_counts[source_class.name] += 1
            default = _LEAVE_OUT if source_class.target is None else source_class.target
            if source_class.name in unknown_names:
                default = ""  # no option is selected: the user has to choose
            chosen = st.selectbox(
                f"{plain_text(source_class.name)} ({source_class.count:,})",
                options,
                index=options.index(default) if default else None,
                placeholder="Choose",
                # The key contains the name and not the position, because a changed role of a folder
                # can add or remove classes. Shortened names can be equal, so they are numbered.
                key=f"import_class_{key}_{source_class.name}_{name_counts[source_class.name]}",
                width=190,
                accept_new_options=fixed_classes is None,
                help=(
                    None if fixed_classes else "What this class becomes. You can enter a new name."
                ),
            )
            if chosen is not None and chosen != default:
                changes.append((source_class.name, None if chosen == _LEAVE_OUT else chosen))
    if len(mapped) > _MAX_SHOWN:
        st.caption(f"Only the first {_MAX_SHOWN} of {len(mapped):,} classes are listed.")
    return tuple(changes)


def _with_numbers(choice: ClassChoice, source_classes: Sequence[SourceClass]) -> ClassChoice:
    """Return the choice with the names that its order gives to the class numbers.

    The choice is unchanged if it has no order, or if it is not clear whether the numbers begin at 0
    or at 1.
    """
    try:
        return choice.with_numbers(source_class.name for source_class in source_classes)
    except InputError:
        return choice


def _show_outcome(mapped: Sequence[SourceClass], choice: ClassChoice) -> None:
    """Say which classes are left out, which are combined, and which have no images."""
    unknown_names = unknown_numbers(mapped, _with_numbers(choice, mapped))
    left_out = [
        source_class
        for source_class in mapped
        if source_class.target is None and source_class.name not in unknown_names
    ]
    if left_out:
        lines = [
            f"- {plain_text(source_class.name)}: {counted(source_class.count, 'image')}"
            for source_class in left_out[:_MAX_SHOWN]
        ]
        st.warning("Left out:\n" + "\n".join(lines), icon=":material/playlist_remove:")
    for target, names in merged_classes(mapped).items():
        st.caption(f"{plain_text(', '.join(names))} become {plain_text(target)}.")
    used = {source_class.target for source_class in mapped}
    empty = [name for name in choice.fixed_classes or () if name not in used]
    if empty and len(empty) < len(choice.fixed_classes or ()):
        lacks_only_contempt = choice.fixed_classes == EMOTIONS8 and not set(empty) & set(EMOTIONS)
        better_scheme: ClassScheme = "emotions" if lacks_only_contempt else "folders"
        st.warning(
            f"No image for: {', '.join(empty)}. A model cannot learn a class without images; "
            f"choose “{_SCHEMES[better_scheme]}” to import only classes that have images.",
            icon=":material/warning:",
        )
