"""Feeds mutated datasets to the readers until its time is up; a process of its own, with limits.

Called by ``test_fuzz_readers.py`` with the seconds that it may take; prints one JSON document. A
failure names its format and case, with which ``make_case`` gives the same files again.
"""

import io
import json
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_core.dataset.readers import read_dataset
from fer_core.errors import InputError

Files = dict[str, bytes]
CASE_SECONDS = 20
MORE_ADDRESSES = 2**30

#: What breaks readers: bounds, signs, formulas of archives, other alphabets, and nothing.
TOKENS = (
    *(b"", b"\x00", b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b" " * 300, b"9" * 300),
    *(b"-1", b"256", b"1e309", b"nan", b"0x10", b"6", b"7", b"emotion", b"pixels", b"Usage"),
    *(b"Training", b"PublicTest", b"contempt", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xe9"),
    *(b"../", b"\\", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xd8\xff", b"\xff" * 8, b"\x7f\xff\xff"),
)


class Hang(BaseException):
    """A case that took too long; no ``except Exception`` may swallow it."""


def draw(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 256, (48, 48)).astype(np.uint8)


def encode(picture: np.ndarray, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, picture)[1])


def fer2013() -> bytes:
    generator = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for row in range(8):
        usage = ("Training", "PublicTest", "PrivateTest")[row % 3]
        lines.append(f"{row % 7},{' '.join(map(str, draw(generator).ravel()))},{usage}")
    return ("\n".join(lines) + "\n").encode()


def class_folders() -> Files:
    generator = np.random.default_rng(1)
    suffixes = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".pgm")
    return {
        f"{split}/{emotion}/{number}{suffix}": encode(draw(generator), suffix)
        for number, suffix in enumerate(suffixes)
        for split, emotion in (("train", "happy"), ("test", "sad"))
    }


def ferplus() -> Files:
    generator = np.random.default_rng(2)
    files: Files = {}
    for folder in ("FER2013Train", "FER2013Test"):
        rows = []
        for number in range(4):
            files[f"{folder}/{number}.png"] = encode(draw(generator), ".png")
            votes = ",".join(str(vote) for vote in generator.permutation(10))
            rows.append(f'{number}.png,"(0, 0, 48, 48)",{votes}')
        files[f"{folder}/label.csv"] = "\n".join(rows).encode()
    return files


def packed(files: Files) -> Files:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return {"faces.zip": buffer.getvalue()}


TABLE = fer2013()
#: Each format's files, and whether they are packed after the mutation, so that it lies inside.
FORMATS: dict[str, tuple[Files, bool]] = {
    "fer2013.csv": ({"fer2013.csv": TABLE}, False),
    "utf-16": ({"fer2013.csv": TABLE.decode().encode("utf-16")}, False),
    "quoted": ({"icml_face_data.csv": TABLE.replace(b",", b'";"').replace(b"\n", b'"\n"')}, False),
    "zip of a csv": (packed({"fer2013.csv": TABLE}), False),
    "csv in a zip": ({"train.csv": TABLE, "test.csv": TABLE[8:2000]}, True),
    "folders": (class_folders(), False),
    "zip of folders": (packed(class_folders()), False),
    "pictures in a zip": (class_folders(), True),
    "FER+": (ferplus(), False),
    "zip of FER+": (packed(ferplus()), False),
    "votes in a zip": (ferplus(), True),
}


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """The content after one to four accidents."""
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


def make_case(name: str, case: int) -> tuple[Files, bool]:
    """The files of one case, and whether they are given as an archive."""
    files, is_packed = FORMATS[name]
    generator = np.random.default_rng([list(FORMATS).index(name), case])
    files = dict(files)
    for victim in generator.choice(list(files), min(len(files), 3)):
        if generator.random() < 0.1:
            new_name = mutated(victim.encode(), generator).decode("latin-1")
            files[new_name.replace("\x00", "")[:60_000] or "nameless"] = files.pop(str(victim), b"")
        elif victim in files:
            files[victim] = mutated(files[victim], generator)
    return files, is_packed


def write_case(files: Files, is_packed: bool, folder: Path) -> Path:
    """Write the files as they are to be read."""
    if is_packed:
        (folder / "faces.zip").write_bytes(packed(files)["faces.zip"])
        return folder / "faces.zip"
    for name, content in files.items():
        parts = [part[:100] for part in name.split("/") if part not in ("", ".", "..")]
        path = folder.joinpath(*parts) if parts else folder / "nameless"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            continue  # two names that cannot stand beside each other
    found = [path for path in folder.iterdir() if path.is_file()]
    return found[0] if len(files) == 1 and found else folder


def outcome_of(path: Path) -> str:
    """What the reader made of it: "faces" or "refused".

    Raises:
        AssertionError: What it says is not one line, or names are not.
    """
    try:
        faces = read_dataset(path)
    except InputError as error:
        assert "\n" not in str(error), error
        assert 10 < len(str(error)) < 2000, error
        return "refused"
    assert len(faces) > 0
    for text in (*faces.names, *(p.name + p.reason for p in faces.problems)):
        assert "\n" not in text, text
        text.encode()
    return "faces"


def fuzz(name: str, seconds: float) -> dict[str, Any]:
    """Cases of one format until the time is up or one fails."""
    result: dict[str, Any] = {"format": name, "cases": 0, "faces": 0, "refused": 0, "failure": None}
    end = time.monotonic() + seconds
    while time.monotonic() < end and result["failure"] is None:
        folder = Path(tempfile.mkdtemp(dir=sys.argv[2]))
        try:
            path = write_case(*make_case(name, result["cases"]), folder)
            signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
            result[outcome_of(path)] += 1
        except BaseException:
            result["failure"] = f"case {result['cases']}: {traceback.format_exc()}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            shutil.rmtree(folder, ignore_errors=True)
        result["cases"] += 1
    return result


def limited(hang: Callable[..., None]) -> int:
    """Bound the process's memory; gives what it holds now, in bytes."""
    signal.signal(signal.SIGALRM, hang)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MORE_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Fuzz every format for an equal share of the time."""

    def hang(*_: object) -> None:
        raise Hang

    cv2.setNumThreads(1)
    share = float(sys.argv[1]) / len(FORMATS)
    for name in FORMATS:  # what is loaded on first use counts for no format
        fuzz(name, 0.01)
    before = limited(hang)
    results = [fuzz(name, share) for name in FORMATS]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print(json.dumps({"results": results, "grown": grown}))


if __name__ == "__main__":
    main()
