"""FER+: the answers that its ten taggers of each face could give."""

from __future__ import annotations

#: In FER+'s order. Its own name of the last one is "NF".
VOTE_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "not_face",
)
