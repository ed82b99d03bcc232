"""The possible answers of the ten annotators who voted on each face in FER+."""

from __future__ import annotations

#: The answers in the order of FER+, which calls the last one "NF".
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
