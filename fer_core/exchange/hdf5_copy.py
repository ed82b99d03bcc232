"""Copies of untrusted HDF5 files, checked and written in a child process.

A damaged HDF5 file can crash the HDF5 library and the process that uses the library. Therefore a
child process reads the file, rejects content that no model needs and writes the rest to a new file.
The app opens only the new file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_core.child import ChildError, Limits, child_main, run_child
from fer_core.errors import InputError
from fer_core.exchange.safety import MAX_BYTES

if TYPE_CHECKING:
    import h5py

#: Maximum number of groups and datasets in a file.
_MAX_OBJECTS = 100_000
#: Maximum depth of nested groups.
_MAX_DEPTH = 64
#: HDF5's numbers of the allowed filters: gzip, shuffle, checksum. The library would load a plug-in
#: for any other filter.
_ALLOWED_FILTERS = (1, 2, 3)

_LIMITS = Limits(memory_bytes=4 * 1024**3, cpu_seconds=120, seconds=240)


def copy_hdf5(source: Path, target: Path, named_path: Path) -> None:
    """Copy the plain numbers and text of an HDF5 file.

    External links, external storage and virtual datasets would read other files of this machine
    into the model; unknown filters would load plug-ins. All of these are rejected.

    Args:
        source: The HDF5 file.
        target: The path of the copy.
        named_path: The file that the user named, for messages. ``source`` is this file or was
            extracted from it.

    Raises:
        InputError: The file contains anything but plain numbers and text, is too large, is
            damaged, or takes too long to read.
    """
    try:
        run_child(__name__, [str(source), str(target), str(named_path)], _LIMITS)
    except ChildError as failure:
        if failure.cause == "time":
            raise InputError(
                f"{named_path} takes more than {_LIMITS.cpu_seconds} s to read as HDF5; save it "
                "again with Keras."
            ) from failure
        is_crash = failure.cause == "crash"
        reason = "the HDF5 library crashes" if is_crash else failure.detail
        raise InputError(
            f"{named_path} is damaged: it cannot be read as HDF5 ({reason}); save or copy it again."
        ) from failure


def _run_in_child(arguments: list[str]) -> str:
    """Copy the file; this runs in the child process."""
    import h5py

    source, target, named_path = (Path(argument) for argument in arguments)
    with h5py.File(source, "r") as file, h5py.File(target, "w", libver="latest") as copy:
        _copy_groups(file, copy, named_path)
    return ""


def _copy_groups(file: h5py.File, copy: h5py.File, path: Path) -> None:
    """Copy all groups and datasets of a file; ``path`` names the file in messages."""
    import h5py

    _copy_attributes(file, copy)
    # Each entry is a group, the copy of the group, and the depth of the group.
    pending: list[tuple[h5py.Group, h5py.Group, int]] = [(file, copy, 0)]
    object_count = 0
    size = 0
    # The addresses of the objects in the file show whether an object has two names. Such an object
    # is rejected, because it could contain itself.
    addresses = {h5py.h5o.get_info(file.id).addr}
    while pending:
        group, group_copy, depth = pending.pop()
        for name in group:
            object_count += 1
            if object_count > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise InputError(
                    f"{path} contains too many or too deeply nested groups for a model; save it "
                    "again with Keras."
                )
            # Read the class of the link before opening it: opening a link follows it, and it could
            # lead to another file.
            if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
                raise InputError(
                    f"{path} links {name!r} to another place or file, which no model needs; save "
                    "the model again with Keras."
                )
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in addresses:
                raise InputError(
                    f"{path} contains {name!r} twice, which no model needs; save it again with "
                    "Keras."
                )
            addresses.add(address)
            if isinstance(item, h5py.Group):
                item_copy = group_copy.create_group(name)
                _copy_attributes(item, item_copy)
                pending.append((item, item_copy, depth + 1))
                continue
            _check_dataset(item, path)
            size += item.size * item.dtype.itemsize
            if size > MAX_BYTES:
                raise InputError(
                    f"{path} contains more than {MAX_BYTES / 2**20:,.0f} MB of numbers, more than "
                    "can be imported; import a smaller network."
                )
            _copy_attributes(item, group_copy.create_dataset(name, data=item[()]))


def _check_dataset(item: Any, path: Path) -> None:
    """Raise an ``InputError`` unless an object contains plain numbers or text of this file only."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        raise InputError(
            f"{path} contains {item.name!r}, which is not a weight; save it with Keras."
        )
    if item.external or item.is_virtual:
        raise InputError(
            f"{path} stores {item.name!r} in another file, which is not read; save the model in "
            "one file."
        )
    # Floats, signed and unsigned integers, booleans and bytes.
    if item.dtype.kind not in "fiubS" or item.dtype.hasobject or item.dtype.fields:
        raise InputError(
            f"{path} contains {item.name!r} of the type {item.dtype} instead of numbers; save the "
            "model again with Keras."
        )
    properties = item.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        if properties.get_filter(number)[0] not in _ALLOWED_FILTERS:
            raise InputError(
                f"{path} compresses {item.name!r} with a method other than gzip; save it with "
                "Keras."
            )


def _copy_attributes(item: Any, item_copy: Any) -> None:
    """Copy the attributes of an object, without empty values and references."""
    import h5py

    for name in item.attrs:
        value = item.attrs[name]
        if isinstance(value, (h5py.Empty, h5py.Reference, h5py.RegionReference)):
            continue
        item_copy.attrs[name] = value


if __name__ == "__main__":
    sys.exit(child_main(_run_in_child))
