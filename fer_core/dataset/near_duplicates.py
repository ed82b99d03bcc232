"""Near-duplicates: the same photo again, brighter or darker, shifted, recompressed or mirrored.

They are found in two steps. A perceptual hash finds candidates. As in pHash (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010) it consists of the
lowest frequencies of the discrete cosine transform. Unlike pHash it keeps their values and not only
their signs: a shift by one pixel changes many signs, and one matrix product of the values compares
all pairs. Mirroring an image only changes the signs of its odd horizontal frequencies. Then each
candidate is verified by the normalized cross-correlation of the pixels, at the best of several
shifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FACE_SIZE, SPLITS, FaceSet
from fer_core.dataset.finding_cache import Arrays, cached_arrays
from fer_core.progress import ProgressReport

#: Number of frequencies of the hash in each direction.
_FREQUENCIES = 8

#: Pairs of hashes with a cosine below this are not candidates. The injected copies of the demo set
#: have at least 0.96; no pair below 0.9 passes the verification.
_CANDIDATE_SIMILARITY = 0.9

#: Shifts that the verification tries, in pixels to each side.
_MAX_SHIFT = 3

#: Minimum correlation of two images that show the same photo, chosen by inspecting FER2013: all
#: pairs from this value to 0.93 showed the same photo, below 0.9 only two of three pairs did.
#: Mirrored faces are similar because faces are symmetric, so they need a higher correlation.
MIN_CORRELATION = 0.92
MIN_MIRRORED_CORRELATION = 0.95

#: Minimum standard deviation of the intensities; below it, an image shows too little to compare.
_MIN_DEVIATION = 4.0

#: Number of rows that are compared with all others at once: 128 MB for 32,000 images.
_BLOCK = 1024

#: Maximum number of candidates to verify; this many take about 20 seconds. FER2013 has 40,000. If
#: nearly all images look alike, the number of candidates grows with the square of the number of
#: images.
_MAX_CANDIDATES = 500_000

#: Version of the method, part of the cache key, so that results of an older method are not used.
_VERSION = "1"


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images that show the same photo with different pixels, and groups of them.

    Attributes:
        first: The smaller row number of each pair, intp ``[p]``; of exact copies only the first
            image is part of pairs.
        second: The larger row number of each pair, intp ``[p]``.
        correlation: Correlation of their pixels at the best shift, float32 ``[p]``, up to 1.
        is_mirrored: Whether one is the mirror image of the other, bool ``[p]``.
        groups: Row numbers of each group that pairs connect, with the exact copies of its members.
        conflicting_groups: The groups with different labels.
        leaked_rows: For validation and test, the rows that are near-duplicates of a training
            image without being exact copies of one.
        is_complete: False if so many images look alike that not all pairs were verified.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    correlation: NDArray[np.float32]
    is_mirrored: NDArray[np.bool_]
    groups: tuple[NDArray[np.intp], ...]
    conflicting_groups: tuple[NDArray[np.intp], ...]
    leaked_rows: dict[str, NDArray[np.intp]]
    is_complete: bool = True

    def to_json(self) -> dict[str, object]:
        """Return the counts for ``dataset audit``."""
        return {
            "near_duplicate_groups": len(self.groups),
            "near_duplicate_images": sum(len(group) for group in self.groups),
            "near_duplicate_conflicting_groups": len(self.conflicting_groups),
            "near_leaks": {split: len(rows) for split, rows in self.leaked_rows.items()},
        }


def find_near_duplicates(face_set: FaceSet, report: ProgressReport | None = None) -> NearDuplicates:
    """Compare every image with every other.

    Args:
        face_set: The data.
        report: Called with the number of comparisons done and of all comparisons.
    """
    return _with_groups(face_set, _pairs(face_set, report))


def cached_near_duplicates(
    face_set: FaceSet, folder: Path | None, report: ProgressReport | None = None
) -> NearDuplicates:
    """Find near-duplicates, or read them from the cache in the dataset's folder.

    Args:
        face_set: The data.
        folder: ``data/<name>``; None for data read from a path.
        report: Called with the number of comparisons done and of all comparisons.
    """
    key = f"{_VERSION}-{face_set.fingerprint}"
    return _with_groups(
        face_set,
        cached_arrays(folder, "near-duplicates", key, lambda: _pairs(face_set, report)),
    )


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the normalized low frequencies of each image, float32 ``[n, 63]``.

    Args:
        images: uint8 ``[n, 48, 48]``.

    Returns:
        Rows of length 1, or zeros for an image with a single intensity: the product of two rows is
        the cosine similarity of two images.
    """
    positions = 2 * np.arange(FACE_SIZE) + 1
    frequencies = np.arange(_FREQUENCIES)[:, None]
    basis = np.cos(np.pi * positions * frequencies / (2 * FACE_SIZE)).astype(np.float32)
    basis[0] /= np.float32(np.sqrt(2))
    hashes = np.empty((len(images), _FREQUENCIES**2 - 1), np.float32)
    for start in range(0, len(images), 4096):
        part = images[start : start + 4096].astype(np.float32)
        transformed = (basis @ part @ basis.T).reshape(len(part), -1)
        hashes[start : start + len(part)] = transformed[:, 1:]  # the first is the mean intensity
    lengths = np.linalg.norm(hashes, axis=1, keepdims=True)
    return np.where(lengths > 1, hashes / np.maximum(lengths, 1), np.float32(0))


def pixel_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the normalized cross-correlation of two images at the best shift.

    Args:
        first: uint8 ``[48, 48]``; its inner part is searched for in the other image.
        second: uint8 ``[48, 48]``.

    Returns:
        -1 to 1.
    """
    inner = slice(_MAX_SHIFT, FACE_SIZE - _MAX_SHIFT)
    template = np.ascontiguousarray(first[inner, inner])
    found = cv2.matchTemplate(np.ascontiguousarray(second), template, cv2.TM_CCOEFF_NORMED)
    return float(found.max())


def _pairs(face_set: FaceSet, report: ProgressReport | None) -> Arrays:
    keys = content_keys(face_set.images)
    _, representatives = np.unique(keys, return_index=True)
    representatives = np.sort(representatives)
    # Computed per image: converting all images to floats would take eight times their memory.
    deviations = np.array([face_set.images[row].std() for row in representatives])
    rows = representatives[deviations >= _MIN_DEVIATION]
    images = face_set.images[rows]
    hashes = perceptual_hashes(images)
    horizontal = np.tile(np.arange(_FREQUENCIES), _FREQUENCIES)[1:]
    mirrored = hashes * np.where(horizontal % 2, np.float32(-1), np.float32(1))
    firsts: list[int] = []
    seconds: list[int] = []
    correlations: list[float] = []
    mirrors: list[bool] = []
    verified = 0
    for start in range(0, len(rows), _BLOCK):
        for is_mirrored, others in ((False, hashes), (True, mirrored)):
            similar = others[start : start + _BLOCK] @ hashes[start:].T > _CANDIDATE_SIMILARITY
            bound = MIN_MIRRORED_CORRELATION if is_mirrored else MIN_CORRELATION
            for one, other in np.argwhere(np.triu(similar, 1)) + start:
                verified += 1
                if verified > _MAX_CANDIDATES:
                    break
                image = images[one][:, ::-1] if is_mirrored else images[one]
                correlation = pixel_correlation(image, images[other])
                if correlation >= bound:
                    firsts.append(int(rows[one]))
                    seconds.append(int(rows[other]))
                    correlations.append(correlation)
                    mirrors.append(is_mirrored)
        if report is not None:
            # Later blocks have fewer images left to compare with.
            remaining = max(len(rows) - start - _BLOCK, 0)
            report(len(rows) ** 2 - remaining**2, max(len(rows) ** 2, 1))
    return {
        "is_complete": np.array(verified <= _MAX_CANDIDATES),
        "first": np.array(firsts, np.intp),
        "second": np.array(seconds, np.intp),
        "correlation": np.array(correlations, np.float32),
        "is_mirrored": np.array(mirrors, bool),
    }


def _with_groups(face_set: FaceSet, pairs: Arrays) -> NearDuplicates:
    first, second = pairs["first"], pairs["second"]
    group_of = _components(len(face_set), first, second)
    keys = content_keys(face_set.images)
    members: dict[int, set[int]] = {}
    by_key: dict[int, list[int]] = {}
    for row, key in enumerate(keys.tolist()):
        by_key.setdefault(key, []).append(row)
    for row in np.unique(np.concatenate([first, second])).tolist():
        members.setdefault(group_of[row], set()).update(by_key[int(keys[row])])
    groups = tuple(np.array(sorted(group), np.intp) for group in sorted(members.values(), key=min))
    return NearDuplicates(
        first=first,
        second=second,
        correlation=pairs["correlation"],
        is_mirrored=pairs["is_mirrored"],
        groups=groups,
        conflicting_groups=tuple(
            group for group in groups if len(np.unique(face_set.labels[group])) > 1
        ),
        leaked_rows=_near_leaks(face_set, keys, first, second),
        is_complete=bool(pairs["is_complete"]),
    )


def _components(count: int, first: NDArray[np.intp], second: NDArray[np.intp]) -> list[int]:
    """Return the connected component of each row, named by its smallest row (union-find)."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        roots = sorted((root(one), root(other)))
        parent[roots[1]] = roots[0]
    return [root(row) for row in range(count)]


def _near_leaks(
    face_set: FaceSet,
    keys: NDArray[np.int64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
) -> dict[str, NDArray[np.intp]]:
    """Held-out rows with a near-duplicate, but no exact copy, in train.

    Pairs are used instead of groups: two images of a group may differ and be connected only by a
    third one that resembles both.
    """
    train_keys = np.unique(keys[face_set.rows("train")])
    one, other = keys[first], keys[second]
    near_keys = np.concatenate([other[np.isin(one, train_keys)], one[np.isin(other, train_keys)]])
    near_keys = np.setdiff1d(near_keys, train_keys)
    leaks = {}
    for split in SPLITS[1:]:
        rows = face_set.rows(split)
        leaks[split] = rows[np.isin(keys[rows], near_keys)]
    return leaks
