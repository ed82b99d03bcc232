"""Count the scans of a JPEG file before it is decoded.

A progressive JPEG stores its picture in about ten scans, each of which adds detail. A scan may take
only a few bytes of the file, but decoding it is a pass over all pixels. Therefore a small file with
thousands of scans keeps a core busy for minutes.
"""

import re

#: A JPEG with more scans is rejected.
MAX_JPEG_SCANS = 100
#: Two bytes that mark the beginning of a segment. Compressed data do not match, because in them,
#: 0xFF is always followed by 0x00 or by the second byte of a restart marker (0xD0 to 0xD7). The
#: marker 0x01 does not match either: it has no length, and decoders skip it.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def has_too_many_scans(content: bytes) -> bool:
    """Return True if a file is a JPEG whose first picture has more than ``MAX_JPEG_SCANS`` scans.

    Args:
        content: The whole file, in any format.
    """
    return count_scans(content) > MAX_JPEG_SCANS


def count_scans(content: bytes) -> int:
    """Return the number of scans of a JPEG's first picture, at most ``MAX_JPEG_SCANS`` + 1.

    A result up to ``MAX_JPEG_SCANS`` is only an upper bound: it may include the scans of other
    pictures in the file, such as a preview in the metadata.

    Args:
        content: The whole file. The result is 0 if its format is not JPEG.
    """
    if not content.startswith(b"\xff\xd8"):
        return 0
    # This fast count is an upper bound, because other pictures in the file and damaged data may
    # contain the same two bytes. For most files, the upper bound is low enough.
    upper_bound = content.count(b"\xff\xda")
    if upper_bound <= MAX_JPEG_SCANS:
        return upper_bound
    scans, position = 0, 2
    while scans <= MAX_JPEG_SCANS and (match := _MARKER.search(content, position)) is not None:
        marker = content[match.end() - 1]
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        # Skip the segment by its length, because it may contain any bytes.
        length = int.from_bytes(content[match.end() : match.end() + 2], "big")
        position = match.end() + max(length, 2)
    return scans
