"""Mutations of files: flipped and missing bytes, values of other types, wrong array headers."""

import io
import json
import zipfile
from typing import Any

import numpy as np

#: What often breaks readers: limits, separators, magic numbers, other encodings, and nothing.
TOKENS = (
    *(b"", b"\x00", b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b" " * 300, b"9" * 300),
    *(b"-1", b"256", b"1e309", b"nan", b"0x10", b"6", b"7", b"emotion", b"pixels", b"Usage"),
    *(b"Training", b"PublicTest", b"contempt", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xe9"),
    *(b"../", b"\\", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xd8\xff", b"\xff" * 8, b"\x7f\xff\xff"),
)

#: Values that replace others in a JSON document.
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**63, 10**400, 1e308, -1e-308, float("nan"), float("inf")),
    *("", "x", "x" * 5000, "7", "nan", "../../etc/passwd", "\x00", "\n", "\ud800", "2026-99-99"),
    *([], {}, [[]], [None], {"": None}, {"x": "y"}, [1, 2, 3]),
)
_TYPES = ("int8", "uint8", "int64", "float16", "float64", "bool", "U3", "S3", "complex64")


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Return the content after one to four mutations, or a format-aware one half of the time."""
    if generator.random() < 0.5:
        known = _changed_document(content, generator) or _changed_arrays(content, generator)
        if known is not None:
            return known
    for _ in range(generator.integers(1, 5)):
        size = max(len(content), 1)
        start, end = sorted(generator.integers(0, size, 2).tolist())
        token = TOKENS[generator.integers(len(TOKENS))]
        match generator.integers(8):
            case 0:
                content = content[:start]
            case 1:
                flipped = bytearray(content or b"\x00")
                for position in generator.integers(0, size * 8, generator.integers(1, 20)):
                    flipped[position // 8] ^= 1 << (position % 8)
                content = bytes(flipped)
            case 2:
                content = content[:start] + content[end:]
            case 3:
                content = content[:end] + content[start:]
            case 4:
                content = content[:start] + token + content[start:]
            case 5:
                content = content[:start] + generator.bytes(50) + content[start + 50 :]
            case 6:  # another first line
                words = [TOKENS[i] for i in generator.integers(0, len(TOKENS), 5)]
                content = b",".join(words) + b"\n" + content.partition(b"\n")[2]
            case _:  # one field of a line
                lines = content.split(b"\n")
                fields = lines[line := int(generator.integers(len(lines)))].split(b",")
                fields[generator.integers(len(fields))] = token
                lines[line] = b",".join(fields)
                content = b"\n".join(lines)
    return content


def _changed_document(content: bytes, generator: np.random.Generator) -> bytes | None:
    """Change, remove, duplicate or deeply nest one value of a JSON document; None for others."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    holder, key = {"": document}, ""
    inner: Any = document
    while isinstance(inner, (dict, list)) and inner and generator.random() < 0.8:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        holder, key = inner, keys[generator.integers(len(keys))]
        inner = inner[key]
    match generator.integers(5):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(_VALUES[generator.integers(len(_VALUES))])] = inner
        case 2:
            deep = int(generator.integers(2, 3000))
            text = json.dumps(document)
            return (text[:-1] + ", " + '"deep": ' + "[" * deep + "]" * deep + "}").encode()
        case _:
            holder[key] = _VALUES[generator.integers(len(_VALUES))]
    if "" in holder and holder is not document and key == "":
        document = holder.get("")
    # json.dumps escapes lone surrogates, which UTF-8 cannot encode.
    return json.dumps(document).encode()


def _changed_arrays(content: bytes, generator: np.random.Generator) -> bytes | None:
    """Change one array of an ``.npz`` archive, or its header; None for other files."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: array for name, array in archive.items() if hasattr(array, "dtype")}
    except Exception:
        return None
    if not arrays:
        return None
    name = list(arrays)[generator.integers(len(arrays))]
    array = arrays.pop(name)
    header = None
    match generator.integers(7):
        case 0:
            pass
        case 1:
            arrays[name] = array.reshape(-1)[: generator.integers(array.size + 1)]
        case 2:
            kind = _TYPES[generator.integers(len(_TYPES))]
            some = np.asarray(array.reshape(-1)[:50])
            with np.errstate(all="ignore"):
                # Text cannot be converted to a number.
                some = np.zeros(len(some)) if some.dtype.kind in "US" else some
                arrays[name] = np.resize(some.astype(kind), array.shape)
        case 3:
            arrays[name] = np.array([None, {}], dtype=object)  # pickled
        case 4:
            size = 10 ** int(generator.integers(5, 20))
            header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}"
        case 5:
            arrays[name] = array[np.newaxis]
        case _:
            flat = array.copy().reshape(-1)
            if flat.size and flat.dtype.kind in "iuf":
                bad = [np.nan, np.inf, -1][generator.integers(3)] if flat.dtype.kind == "f" else 99
                flat[generator.integers(flat.size)] = bad
            arrays[name] = flat.reshape(array.shape)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    if header is not None:
        line = header.encode() + b" " * (118 - len(header)) + b"\n"
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00\x77\x00" + line + bytes(100))
    return buffer.getvalue()
