"""The result of a command, with the checks that many tests share."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answered:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, parsed as exactly one strict JSON document (no NaN or Infinity)."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not valid JSON")

        assert self.code == 0, self.err
        return json.loads(self.out, parse_constant=refuse)

    @property
    def refusal(self) -> str:
        """The error message: one line on standard error, with exit code 2 and no output."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]
