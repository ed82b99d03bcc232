"""The classes of a source before its import: found, counted, and mapped by the user."""

from __future__ import annotations

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
    with_targets,
)
from fer_core.dataset.readers import find_classes
from fer_core.errors import InputError
from fer_core.jobs.job import Job, JobKind
from fer_core.phrases import counted
from fer_studio.ui.jobs import job_service, result_of, show_progress, start_job
from fer_studio.ui.messages import show_error
from fer_studio.ui.text import plain_text

CLASS_CHECK = JobKind("class check", Role.EDITOR)

#: Counting the classes of most sources takes less; a longer check shows its progress.
_WAIT_SECONDS = 0.7
#: More classes than a dataset can have are a sign of another layout of the folders.
_MAX_SHOWN = 60
_LEFT_OUT = "(leave out)"
_SCHEMES: dict[ClassScheme, str] = {
    "emotions": "Seven emotions",
    "emotions8": "Eight emotions",
    "folders": "As named",
}


@dataclass(frozen=True)
class ImportSource:
    """What is to be imported.

    Attributes:
        key: Identifies its content.
        title: Its name.
        stored: Provides its path while it is read.
    """

    key: str
    title: str
    stored: Callable[[Job], AbstractContextManager[Path]]


def choose_classes(source: ImportSource) -> ClassChoice | None:
    """Draw the classes of a source and what each becomes.

    Returns:
        The choice; None while the classes are not known or the choice is not possible, with the
        reason on the page.
    """
    try:
        found = _found(source)
    except InputError as error:
        show_error(error)
        return None
    if found is None:
        return None
    scheme: ClassScheme = st.segmented_control(
        "Classes",
        list(_SCHEMES),
        format_func=_SCHEMES.__getitem__,
        default="emotions",
        required=True,
        key="import_scheme",
        help="Seven or eight emotions: folders and tables with other names for an emotion, such as "
        "scared, are recognized, and other classes are left out unless you choose what they "
        "become. As named: every class keeps its name.",
    )
    choice = ClassChoice(scheme, _changes(found, scheme, source.key))
    _show_outcome(with_targets(found, choice), choice)
    problem = choice_problem(found, choice)
    if problem is not None:
        show_error(problem)
        return None
    return choice


def _found(source: ImportSource) -> tuple[SourceClass, ...] | None:
    """Return the classes of a source; None while they are counted, with the progress shown."""
    job = job_service().get(CLASS_CHECK, source.key)
    if job is None:

        def work(job: Job) -> tuple[SourceClass, ...]:
            with source.stored(job) as path:
                return find_classes(path, report=job.report)

        job = start_job(CLASS_CHECK, source.key, f"Counting the classes of {source.title}", work)
        job.wait(_WAIT_SECONDS)
    if not job.is_finished:
        show_progress(job, stop_key=None)
        return None
    found: tuple[SourceClass, ...] = result_of(job)
    return found


def _changes(
    found: Sequence[SourceClass], scheme: ClassScheme, key: str
) -> tuple[tuple[str, str | None], ...]:
    """Draw a field for each class, and return those that differ from the scheme."""
    usual = with_targets(found, ClassChoice(scheme))
    names = [one.target for one in usual if one.target is not None]
    fixed = ClassChoice(scheme).fixed_classes
    options = list(fixed or dict.fromkeys(names))
    changes: list[tuple[str, str | None]] = []
    with st.container(horizontal=True, key="import_classes"):
        for number, one in enumerate(usual[:_MAX_SHOWN]):
            default = _LEFT_OUT if one.target is None else one.target
            chosen = st.selectbox(
                f"{plain_text(one.name)} ({one.count:,})",
                [*options, _LEFT_OUT],
                index=[*options, _LEFT_OUT].index(default),
                key=f"import_class_{key}_{scheme}_{number}",
                width=190,
                accept_new_options=fixed is None,
                help="What this class becomes. You can enter a new name." if not fixed else None,
            )
            if chosen is not None and chosen != default:
                changes.append((one.name, None if chosen == _LEFT_OUT else chosen))
    if len(usual) > _MAX_SHOWN:
        st.caption(f"… and {len(usual) - _MAX_SHOWN:,} more classes.")
    return tuple(changes)


def _show_outcome(mapped: Sequence[SourceClass], choice: ClassChoice) -> None:
    """Say what is left out, combined and missing."""
    left_out = [one for one in mapped if one.target is None]
    if left_out:
        lines = [
            f"- {plain_text(one.name)}: {counted(one.count, 'image')}"
            for one in left_out[:_MAX_SHOWN]
        ]
        st.warning("Left out:\n" + "\n".join(lines), icon=":material/playlist_remove:")
    for target, names in merged_classes(mapped).items():
        st.caption(f"{plain_text(', '.join(names))} become {plain_text(target)}.")
    used = {one.target for one in mapped}
    empty = [name for name in choice.fixed_classes or () if name not in used]
    if empty and len(empty) < len(choice.fixed_classes or ()):
        st.warning(
            f"No image for: {', '.join(empty)}. A model cannot learn a class without images.",
            icon=":material/warning:",
        )
