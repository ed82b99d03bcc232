"""The search for near-duplicates: images that show the same photo with different pixels.

The search has two steps. First, perceptual hashes find candidates, which are pairs of similar
images. As in pHash (Zauner, "Implementation and benchmarking of perceptual image hash functions",
2010), a hash consists of the low-frequency coefficients of the discrete cosine transform. Unlike in
pHash, it contains the values of the coefficients and not only their signs, because a shift by one
pixel changes many signs. Two matrix products compare all pairs: one of the coefficients with even
horizontal frequencies, and one of the coefficients with odd horizontal frequencies. Mirroring an
image only changes the signs of the odd ones. Therefore the sum of the two products is the
similarity of two images, and the difference is their similarity if one of them is mirrored. Second,
each candidate is verified by the normalized cross-correlation of the pixels, at the best of several
shifts.

The matrix of all pairs is computed in tiles, so that memory does not grow with the square of the
number of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.dataset.disjoint_sets import DisjointSets
from fer_core.dataset.duplicates import content_keys
from fer_core.dataset.face_set import FACE_SIZE
from fer_core.progress import ProgressReport

#: Number of horizontal and of vertical frequencies in a hash.
_FREQUENCY_COUNT = 8
#: True for the coefficients in a hash that have an odd horizontal frequency. The first coefficient
#: of the transform is the mean intensity, which is not part of a hash.
_HAS_ODD_FREQUENCY = np.tile(np.arange(_FREQUENCY_COUNT), _FREQUENCY_COUNT)[1:] % 2 == 1

#: Minimum cosine similarity of the two hashes of a candidate. In the demo set, the similarity of an
#: injected near-duplicate and its source is at least 0.96. Pairs with a similarity below 0.9 do not
#: pass the verification.
_CANDIDATE_SIMILARITY = 0.9

#: Maximum shift that the verification tries, in pixels to each side.
_MAX_SHIFT = 3

#: Minimum correlation of two images that show the same photo. The value was chosen by inspecting
#: pairs of FER2013: with a correlation of 0.92 to 0.93, all pairs showed the same photo; with a
#: correlation below 0.9, only two thirds of the pairs did.
MIN_CORRELATION = 0.92
#: Minimum correlation of two images if one of them is mirrored. It is higher, because any face is
#: similar to its mirror image.
MIN_MIRRORED_CORRELATION = 0.95

#: Minimum standard deviation of the intensities of an image that is compared. Images with a lower
#: deviation are nearly uniform, so their correlation means little.
_MIN_DEVIATION = 4.0

#: Maximum number of rows and columns of a tile; three float32 arrays of this size take 50 MB.
#: Smaller tiles are slower, especially on a busy machine.
_TILE_ROWS, _TILE_COLUMNS = 1024, 4096

#: Maximum number of candidates to verify; verifying that many takes about 20 seconds. FER2013 has
#: 40,000 candidates. If nearly all images look alike, the number of candidates grows with the
#: square of the number of images.
_MAX_CANDIDATES = 500_000

#: Number of images that are converted to floats at once.
_IMAGES_AT_ONCE = 256

#: Number of candidates that ``join_near_duplicates`` filters at once. The filter leaves out pairs
#: that are connected already through other pairs.
_FILTERED_AT_ONCE = 256

#: Maximum number of candidates in memory at once. If the images are frames of a video, all pairs of
#: a tile may be candidates.
_CANDIDATES_AT_ONCE = 250_000


@dataclass(frozen=True)
class NearPairs:
    """Pairs of near-duplicates, sorted by their rows.

    Attributes:
        first: The row number of one image of each pair, intp ``[p]``.
        second: The row number of the other image, intp ``[p]``.
        correlation: Correlation of the pixels of each pair at the best shift, float32 ``[p]``, up
            to 1.
        is_mirrored: True for pairs whose images are mirrored copies of each other, bool ``[p]``.
        is_complete: False if so many images look alike that not all candidates were verified.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    correlation: NDArray[np.float32]
    is_mirrored: NDArray[np.bool_]
    is_complete: bool


def find_pairs(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    others: NDArray[np.intp] | None = None,
    report: ProgressReport | None = None,
) -> NearPairs:
    """Find the near-duplicates within ``rows``, or between ``rows`` and ``others``.

    Pass only one image of each group of exact copies, because exact copies would be found as pairs.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: Row numbers, in ascending order if ``others`` is None.
        others: Row numbers of other images; None to compare ``rows`` with each other.
        report: Called with the amounts of finished work and of all work, in an arbitrary unit.
    """
    rows = recognizable_rows(images, rows)
    second_rows = rows if others is None else recognizable_rows(images, others)
    tiles = _Tiles(
        perceptual_hashes(images, rows),
        None if others is None else perceptual_hashes(images, second_rows),
    )
    budget = _Budget(tiles.count)
    pairs: list[tuple[int, int, float, bool]] = []
    for candidates in tiles.compare(report):
        for position in candidates.best(budget.begin_part_and_take(len(candidates))):
            first = int(rows[candidates.first[position]])
            second = int(second_rows[candidates.second[position]])
            is_mirrored = bool(candidates.is_mirrored[position])
            correlation = _correlation_of_copies(images[first], images[second], is_mirrored)
            if correlation is not None:
                pairs.append((first, second, correlation, is_mirrored))
    pairs.sort()
    return NearPairs(
        first=np.array([pair[0] for pair in pairs], np.intp),
        second=np.array([pair[1] for pair in pairs], np.intp),
        correlation=np.array([pair[2] for pair in pairs], np.float32),
        is_mirrored=np.array([pair[3] for pair in pairs], bool),
        is_complete=not budget.was_exceeded,
    )


def join_near_duplicates(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    groups: DisjointSets,
    report: ProgressReport | None = None,
) -> bool:
    """Join the groups of images that are near-duplicates of each other.

    Pairs whose images are already in one group are not verified. Therefore this function can handle
    the frames of a video, although nearly all pairs of frames are candidates.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: The row numbers of the images to compare, in ascending order. Pass only one image of
            each group of exact copies.
        groups: The groups of all ``n`` images; changed in place.
        report: Called with the amounts of finished work and of all work, in an arbitrary unit.

    Returns:
        False if so many images look alike that not all candidates were verified.
    """
    rows = recognizable_rows(images, rows)
    tiles = _Tiles(perceptual_hashes(images, rows))
    budget = _Budget(tiles.count)
    for candidates in tiles.compare(report):
        first, second = rows[candidates.first], rows[candidates.second]
        budget.begin_part()
        # Connected pairs are left out before sorting. Among the frames of a video, most candidates
        # are connected already, and sorting all candidates would take long.
        unconnected = np.flatnonzero(groups.roots(first) != groups.roots(second))
        positions = unconnected[np.argsort(-candidates.similarity[unconnected], kind="stable")]
        for start in range(0, len(positions), _FILTERED_AT_ONCE):
            chunk = positions[start : start + _FILTERED_AT_ONCE]
            chunk = chunk[groups.roots(first[chunk]) != groups.roots(second[chunk])]
            for position in chunk:
                row, other_row = int(first[position]), int(second[position])
                if groups.root(row) == groups.root(other_row):
                    continue
                if not budget.take_one():
                    break
                is_mirrored = bool(candidates.is_mirrored[position])
                if _correlation_of_copies(images[row], images[other_row], is_mirrored) is not None:
                    groups.join(row, other_row)
    return not budget.was_exceeded


def copies_of_train(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    train_rows: NDArray[np.intp],
    model_keys: NDArray[np.int64] | None = None,
    report: ProgressReport | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the images that also appear in train, with the same or with other pixels.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: The row numbers of the images to look up, ``[k]``.
        train_rows: The row numbers of the training images.
        model_keys: ``content_keys`` of the images that a model was trained on; None for no model.
        report: Called with the amounts of finished work and of all work, in an arbitrary unit.

    Returns:
        Three arrays, bool ``[k]``. The first is True for exact copies of a training image. The
        second is True for near-duplicates of a training image that are not exact copies. The third
        is like the second, but only for training images whose key is in ``model_keys``.
    """
    keys, train_keys = content_keys(images, rows), content_keys(images, train_rows)
    is_exact = np.isin(keys, train_keys)
    unique_rows = rows[~is_exact][first_copies(keys[~is_exact])]
    pairs = find_pairs(images, unique_rows, train_rows[first_copies(train_keys)], report)
    first_keys = content_keys(images, pairs.first)
    in_model = np.isin(content_keys(images, pairs.second), [] if model_keys is None else model_keys)
    return is_exact, np.isin(keys, first_keys), np.isin(keys, first_keys[in_model])


def first_copies(keys: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the position of the first occurrence of each key, in ascending order.

    Args:
        keys: The ``content_keys`` of images.
    """
    return np.sort(np.unique(keys, return_index=True)[1])


def recognizable_rows(images: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the rows whose images are not nearly uniform, so that they can be compared."""
    deviations = [
        # In chunks: converting all images to floats would take eight times their memory.
        images[rows[start : start + _IMAGES_AT_ONCE]].std(axis=(1, 2))
        for start in range(0, len(rows), _IMAGES_AT_ONCE)
    ]
    # np.concatenate needs at least one array, but there may be no rows.
    return rows[np.concatenate([*deviations, np.zeros(0)]) >= _MIN_DEVIATION]


def perceptual_hashes(
    images: NDArray[np.uint8], rows: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    """Return the hashes of images: low-frequency coefficients, normalized to length 1.

    Args:
        images: uint8 ``[n, 48, 48]``.
        rows: The row numbers of the ``k`` images; by default all.

    Returns:
        float32 ``[k, 63]``: rows of length 1, or zeros for an image with a single intensity. The
        scalar product of two rows is the cosine similarity of the two hashes.
    """
    rows = np.arange(len(images)) if rows is None else rows
    # The basis of the discrete cosine transform: each row is one frequency.
    positions = 2 * np.arange(FACE_SIZE) + 1
    frequencies = np.arange(_FREQUENCY_COUNT)[:, None]
    basis = np.cos(np.pi * positions * frequencies / (2 * FACE_SIZE)).astype(np.float32)
    basis[0] /= np.float32(np.sqrt(2))
    hashes = np.empty((len(rows), _FREQUENCY_COUNT**2 - 1), np.float32)
    for start in range(0, len(rows), _IMAGES_AT_ONCE):
        chunk = images[rows[start : start + _IMAGES_AT_ONCE]].astype(np.float32)
        transformed = (basis @ chunk @ basis.T).reshape(len(chunk), -1)
        hashes[start : start + len(chunk)] = transformed[:, 1:]  # the first is the mean intensity
    lengths = np.linalg.norm(hashes, axis=1, keepdims=True)
    # For a single intensity, the length is a rounding error below 1.
    hashes /= np.maximum(lengths, 1)
    hashes[lengths[:, 0] <= 1] = 0
    return hashes


def pixel_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the normalized cross-correlation of two images at the best shift.

    Args:
        first: uint8 ``[48, 48]``. Its margin is cut off, so that the rest can be placed at
            different positions in the second image.
        second: uint8 ``[48, 48]``.

    Returns:
        -1 to 1.
    """
    inner = slice(_MAX_SHIFT, FACE_SIZE - _MAX_SHIFT)
    template = np.ascontiguousarray(first[inner, inner])
    correlations = cv2.matchTemplate(np.ascontiguousarray(second), template, cv2.TM_CCOEFF_NORMED)
    return float(correlations.max())


def _correlation_of_copies(
    first: NDArray[np.uint8], second: NDArray[np.uint8], is_mirrored: bool
) -> float | None:
    """Return the correlation of two near-duplicates; None if they show different photos."""
    correlation = pixel_correlation(first[:, ::-1] if is_mirrored else first, second)
    bound = MIN_MIRRORED_CORRELATION if is_mirrored else MIN_CORRELATION
    return correlation if correlation >= bound else None


@dataclass(frozen=True)
class _Candidates:
    """Some or all of the candidates in one tile.

    Attributes:
        first: For each candidate, the row of its first image in the matrix of all pairs, ``[k]``.
        second: For each candidate, the column of its second image in this matrix, ``[k]``.
        similarity: Cosine similarity of the two hashes, ``[k]``.
        is_mirrored: True if one image is similar to the mirror image of the other, ``[k]``.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    similarity: NDArray[np.float32]
    is_mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    def best(self, count: int) -> NDArray[np.intp]:
        """Return the positions of the ``count`` most similar candidates, most similar first."""
        return np.argsort(-self.similarity, kind="stable")[:count]


class _Tiles:
    """Compares all pairs of hashes, tile by tile.

    Args:
        hashes: float32 ``[n, 63]``.
        others: float32 ``[m, 63]``; None to compare ``hashes`` with each other.
    """

    def __init__(
        self, hashes: NDArray[np.float32], others: NDArray[np.float32] | None = None
    ) -> None:
        self._is_symmetric = others is None
        second_hashes = hashes if others is None else others
        #: The factors of two matrix products: one for even and one for odd horizontal frequencies.
        self._factors = tuple(
            _with_frequencies(hashes, second_hashes, mask)
            for mask in (~_HAS_ODD_FREQUENCY, _HAS_ODD_FREQUENCY)
        )
        self._shape = len(hashes), len(second_hashes)
        tile_size = min(_TILE_ROWS, len(hashes)) * min(_TILE_COLUMNS, len(second_hashes))
        self._buffers = tuple(np.empty(tile_size, np.float32) for _ in range(3))

    @property
    def count(self) -> int:
        """Number of tiles."""
        rows, columns = self._shape
        # -(-a // b) is a / b, rounded up.
        return sum(
            -(-(columns - self._first_column(start)) // _TILE_COLUMNS)
            for start in range(0, rows, _TILE_ROWS)
        )

    def compare(self, report: ProgressReport | None) -> Iterator[_Candidates]:
        """Yield the candidates of all tiles, tile by tile.

        If a tile has more than ``_CANDIDATES_AT_ONCE`` candidates, yield them in several parts.
        """
        rows, columns = self._shape
        for start in range(0, rows, _TILE_ROWS):
            for column in range(self._first_column(start), columns, _TILE_COLUMNS):
                yield from self._compare_tile(start, column)
            if report is not None:
                finished_rows = min(start + _TILE_ROWS, rows)
                if self._is_symmetric:
                    # Later rows have fewer images left to compare with.
                    report(rows**2 - (rows - finished_rows) ** 2, rows**2)
                else:
                    report(finished_rows, rows)

    def _first_column(self, start: int) -> int:
        """Return the first column to compare with the rows from ``start``.

        If the hashes are compared with each other, the pairs in the columns before ``start`` were
        already compared, with rows and columns exchanged.
        """
        return start if self._is_symmetric else 0

    def _compare_tile(self, start: int, column: int) -> Iterator[_Candidates]:
        """Yield the candidates of the tile that begins at row ``start`` and column ``column``."""
        # The similarity of two images is even + odd: the scalar products of their coefficients with
        # even and with odd horizontal frequencies. If one image is mirrored, the similarity is
        # even - odd. The larger of the two similarities is even + |odd|.
        even, odd, larger = self._tile_buffers(start, column)
        for (left, right), product in zip(self._factors, (even, odd), strict=True):
            np.matmul(
                left[start : start + _TILE_ROWS],
                right[column : column + _TILE_COLUMNS].T,
                out=product,
            )
        np.abs(odd, out=larger)
        larger += even
        indices = np.flatnonzero(larger > _CANDIDATE_SIMILARITY)
        for begin in range(0, len(indices), _CANDIDATES_AT_ONCE):
            chunk = indices[begin : begin + _CANDIDATES_AT_ONCE]
            first, second = np.divmod(chunk, even.shape[1])
            yield self._select_candidates(
                first + start, second + column, even.ravel()[chunk], odd.ravel()[chunk]
            )

    def _select_candidates(
        self,
        first: NDArray[np.intp],
        second: NDArray[np.intp],
        even: NDArray[np.float32],
        odd: NDArray[np.float32],
    ) -> _Candidates:
        """Return the candidates among pairs of images; the mirrored candidates come last.

        Args:
            first: Position of the first hash of each pair, ``[p]``.
            second: Position of the second hash of each pair, ``[p]``.
            even: Scalar product of the coefficients with even horizontal frequencies, ``[p]``.
            odd: Scalar product of the coefficients with odd horizontal frequencies, ``[p]``.
        """
        # If the hashes are compared with each other, a tile on the diagonal contains pairs of an
        # image with itself, and some pairs twice, in both orders. Keep one order of each pair.
        is_pair = first < second if self._is_symmetric else np.ones(len(first), bool)
        similarities = (even + odd, even - odd)
        masks = [is_pair & (similarity > _CANDIDATE_SIMILARITY) for similarity in similarities]
        return _Candidates(
            first=np.concatenate([first[mask] for mask in masks]),
            second=np.concatenate([second[mask] for mask in masks]),
            similarity=np.concatenate(
                [similarity[mask] for similarity, mask in zip(similarities, masks, strict=True)]
            ),
            is_mirrored=np.repeat([False, True], [int(mask.sum()) for mask in masks]),
        )

    def _tile_buffers(self, start: int, column: int) -> Iterator[NDArray[np.float32]]:
        """Yield three arrays of the size of a tile. The next tile overwrites their values."""
        shape = min(_TILE_ROWS, self._shape[0] - start), min(_TILE_COLUMNS, self._shape[1] - column)
        return (buffer[: shape[0] * shape[1]].reshape(shape) for buffer in self._buffers)


def _with_frequencies(
    hashes: NDArray[np.float32], others: NDArray[np.float32], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both arrays of hashes with only the coefficients for which ``mask`` is true.

    If ``others`` is ``hashes``, the result contains the same array twice, to save memory.
    """
    selected = hashes[:, mask]
    return selected, selected if others is hashes else others[:, mask]


class _Budget:
    """The number of candidates that may still be verified.

    ``_Tiles.compare`` yields the candidates in parts, usually one part for each tile. A quarter of
    all verifications is divided equally among the parts and reserved for them, so that the first
    parts of a large dataset cannot use up all verifications.
    """

    def __init__(self, part_count: int) -> None:
        self._left = _MAX_CANDIDATES
        self._reserve_per_part = _MAX_CANDIDATES // (4 * max(part_count, 1))
        self._later_part_count = part_count
        self._left_in_part = 0
        #: True if at least one candidate was not verified, because its part had used up its share.
        self.was_exceeded = False

    def begin_part(self) -> None:
        """Start the next part, and compute how many of its candidates may be verified."""
        self._later_part_count = max(self._later_part_count - 1, 0)
        unreserved = self._left - self._reserve_per_part * self._later_part_count
        # A tile with many candidates has several parts, so more parts than expected may begin.
        self._left_in_part = min(max(unreserved, self._reserve_per_part), self._left)

    def begin_part_and_take(self, requested: int) -> int:
        """Start the next part, and return how many of its ``requested`` candidates to verify.

        These candidates count as verified.
        """
        self.begin_part()
        granted = min(requested, self._left_in_part)
        self._left -= granted
        self.was_exceeded |= granted < requested
        return granted

    def take_one(self) -> bool:
        """Return True if one more candidate of this part may be verified, and count it."""
        if self._left_in_part <= 0:
            self.was_exceeded = True
            return False
        self._left -= 1
        self._left_in_part -= 1
        return True
