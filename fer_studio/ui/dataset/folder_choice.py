"""The fields in which the user chooses the split of each folder of a source."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fer_core.dataset.face_set import SPLITS
from fer_core.dataset.folder_roles import FolderRoles, Role
from fer_core.dataset.readers.layouts.split_folders import SplitFolder
from fer_studio.ui.text import plain_text

_LEAVE_OUT = "(leave out)"
_CLASS = "a class"
#: Maximum number of folders that get a field. If a source has more folders, they are usually not
#: splits. If the split of a folder without a field is not known, the page shows a warning, and the
#: source cannot be imported.
_MAX_SHOWN = 40


def choose_folders(folders: Sequence[SplitFolder], key: str) -> FolderRoles | None:
    """Draw a field for each folder that is a split or may be one.

    Args:
        folders: The folders of the source.
        key: Part of the widget keys of the fields; each list of folders needs a different one.

    Returns:
        The chosen roles that differ from the roles that the names of the folders suggest; None
        while the user has to choose the role of a folder.
    """
    if not folders:
        return FolderRoles()
    message = st.container()
    st.caption("The split of the pictures in each folder:")
    roles: list[tuple[str, Role]] = []
    undecided_names: list[str] = []
    with st.container(horizontal=True, key="import_folders"):
        for number, folder in enumerate(folders[:_MAX_SHOWN]):
            chosen = _choose_split(folder, f"import_folder_{key}_{number}")
            if chosen is None:
                undecided_names.append(folder.name)
            # A folder that is left out has an empty role in SplitFolder, and None in FolderRoles.
            elif (_role(chosen) or "") != folder.role:
                roles.append((folder.name, _role(chosen)))
    undecided_names += [folder.name for folder in folders[_MAX_SHOWN:] if folder.role is None]
    if not undecided_names:
        return FolderRoles(tuple(roles))
    names = ", ".join(plain_text(name) for name in undecided_names[:5])
    more = f" and {len(undecided_names) - 5:,} more" if len(undecided_names) > 5 else ""
    is_one = len(undecided_names) == 1
    message.warning(
        f"Choose the split of {names}{more}: it cannot be recognized from the "
        f"{'name of this folder' if is_one else 'names of these folders'}.",
        icon=":material/help:",
    )
    return None


def _choose_split(folder: SplitFolder, key: str) -> str | None:
    """Draw the field of a folder; return the chosen option, or None if the user has to choose."""
    options = [*SPLITS, *([_CLASS] if folder.may_be_class else []), _LEAVE_OUT]
    return st.selectbox(
        plain_text(folder.name) + (f" ({folder.count:,})" if folder.count else ""),
        options,
        # In a SplitFolder, the role is None if the user has to choose it, and empty if the folder
        # is left out.
        index=None if folder.role is None else options.index(folder.role or _LEAVE_OUT),
        placeholder="Choose",
        key=key,
        width=190,
        help="The split to which the pictures in this folder belong.",
    )


def _role(chosen: str) -> Role:
    """Return the role for a chosen option, as in ``FolderRoles``: None to leave the folder out."""
    if chosen == _LEAVE_OUT:
        return None
    return "class" if chosen == _CLASS else chosen  # type: ignore[return-value]
