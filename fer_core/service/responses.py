"""Answers to failed requests: error documents, which all have the same JSON structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

#: The codes of the error documents, by HTTP status.
ERROR_CODES = {
    400: "invalid_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "upload_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    500: "internal_error",
    503: "overloaded",
    504: "analysis_timeout",
}


def error_document(status: int, message: str) -> dict[str, Any]:
    """Return the document of a failed request: a code for programs and a sentence for users."""
    return {"error": {"code": ERROR_CODES.get(status, "error"), "message": message}}


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the answer to a failed request."""
    return JSONResponse(error_document(status, message), status, headers)


def size_text(byte_count: int) -> str:
    """Return a number of bytes for a message: "200 MB", "1,000 bytes"."""
    return f"{byte_count / 2**20:,.0f} MB" if byte_count >= 2**20 else f"{byte_count:,} bytes"
