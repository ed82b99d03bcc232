"""A work for tests: counts the characters of text files, and fails as their content says."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from fer_core.errors import InputError
from fer_core.scale.inputs import Item
from fer_core.scale.work import Row


@dataclass(frozen=True)
class TextWork:
    """Counts characters.

    Attributes:
        refusal: What ``open`` refuses with; empty if it succeeds.
        version: Part of the description.
    """

    refusal: str = ""
    version: str = "1"

    def open(self, *, threads: int, memory_bytes: int) -> "TextWorker":
        if self.refusal == "crash":
            os._exit(7)
        if self.refusal:
            raise InputError(self.refusal)
        return TextWorker()

    plural_noun = "texts"

    def schema(self) -> pa.Schema:
        return pa.schema([("file", pa.string()), ("length", pa.int64()), ("error", pa.string())])

    def description(self) -> dict[str, Any]:
        return {"kind": "texts", "version": self.version}

    def error_row(self, item: Item, sentence: str) -> Row:
        return {"file": item.file, "length": None, "error": sentence}


class TextWorker:
    """``crash`` ends the process, ``crash once`` only the first time, ``raise`` is an error."""

    def process(self, items: Sequence[Item]) -> pa.Table:
        rows: list[Row] = []
        for item in items:
            path = Path(item.file)
            text = path.read_text()
            if text == "crash" or (text == "crash once" and not path.with_suffix(".seen").exists()):
                path.with_suffix(".seen").touch()
                os._exit(9)
            if text == "raise":
                raise ArithmeticError("a text that cannot be counted")
            rows.append({"file": item.file, "length": len(text), "error": None})
        return pa.Table.from_pylist([dict(row) for row in rows], TextWork().schema())
