"""The routes of the service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from fer_core.errors import InputError
from fer_core.service.engine import ClassifyEngine
from fer_core.service.guard import Application, RequestGuard
from fer_core.service.keys import ApiKeys
from fer_core.service.monitoring import Metrics
from fer_core.service.options import ServiceLimits
from fer_core.service.responses import error_response, size_text
from fer_core.service.uploads import FILES_FIELD, Upload, read_uploads
from fer_core.vision.photo import PhotoResult, results_document

_log = logging.getLogger(__name__)

_DESCRIPTION = (
    "Detects the faces in pictures and classifies their expressions. Pictures are processed in "
    "memory and not stored. A predicted expression is not a measurement of a person's feelings. "
    "Inferring emotions at work or in schools is banned in the European Union (AI Act, "
    "article 5)."
)
_REQUEST_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILES_FIELD],
                "properties": {
                    FILES_FIELD: {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF or GIF",
                    }
                },
            }
        }
    },
}
_RESPONSE_EXAMPLE = {
    "files": [
        {
            "file": "photo.jpg",
            "width": 640,
            "height": 480,
            "faces": [
                {
                    "box": [220, 110, 96, 96],
                    "label": "happy",
                    "score": 0.93,
                    "probabilities": {"happy": 0.93, "neutral": 0.07},
                    "is_confident": True,
                    "is_too_small": False,
                }
            ],
            "error": None,
        }
    ]
}


def create_application(
    engine: ClassifyEngine,
    limits: ServiceLimits,
    keys: ApiKeys,
    metrics: Metrics,
    *,
    only_local: bool,
) -> Application:
    """Create the ASGI application.

    Args:
        engine: Analyzes the pictures; it is closed when the application shuts down.
        limits: Limits on the size, number and duration of requests.
        keys: The valid API keys; if there are none, no key is required.
        metrics: Counts requests, pictures and faces.
        only_local: True if the service accepts connections from this machine only.
    """
    state = {"ready": False}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state["ready"] = True
        yield
        state["ready"] = False
        await asyncio.to_thread(engine.close)

    application = FastAPI(
        title="FER Studio",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    # The latest version of OpenAPI that the bundled Swagger UI supports.
    application.openapi_version = "3.0.3"
    _add_error_documents(application)
    _add_documentation(application)

    @application.post(
        "/v1/classify",
        summary="Classify the faces in pictures",
        openapi_extra={"requestBody": _REQUEST_BODY},
        responses={200: {"content": {"application/json": {"example": _RESPONSE_EXAMPLE}}}},
    )
    async def classify(
        request: Request,
        model: Annotated[
            str | None, Query(description="A served model (default: the first one)")
        ] = None,
        whole: Annotated[
            bool | None, Query(description="Classify each picture as one face")
        ] = None,
    ) -> JSONResponse:
        """Return the same JSON object as the command `classify --json`.

        If a file cannot be analyzed, its entry contains the reason. The other files are analyzed
        nevertheless.
        """
        uploads = await read_uploads(request, limits)
        results = await _analyze(uploads, engine, limits, model=model, whole=whole)
        for result in results:
            metrics.count_picture(len(result.faces), is_error=result.error is not None)
        return JSONResponse(results_document(results))

    @application.get("/v1/models", summary="List the served models")
    async def models() -> JSONResponse:
        """Return each served model with its classes, the default first."""
        return JSONResponse(
            [
                {
                    "name": name,
                    "default": name == engine.default_model,
                    "classes": list(served.predictor.classes),
                    "recipe": served.bundle.record.recipe,
                    "created": served.bundle.record.created,
                    "detector": engine.detector_name,
                }
                for name, served in engine.models.items()
            ]
        )

    @application.get("/health", summary="Check that the process responds")
    async def health() -> JSONResponse:
        """Return 200 while the process responds."""
        return JSONResponse({"status": "ok"})

    @application.get("/ready", summary="Check that the service can analyze pictures")
    async def ready() -> JSONResponse:
        """Return 200 if the models are loaded and the service is not shutting down, else 503."""
        if not state["ready"]:
            return error_response(503, "The service is starting or shutting down.")
        return JSONResponse({"status": "ready", "models": list(engine.models)})

    @application.get("/metrics", summary="Return the metrics in Prometheus' format")
    async def prometheus() -> Response:
        """Return counters and histograms; they contain no content of requests."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return RequestGuard(application, limits, keys, metrics, only_local=only_local and not keys)


async def _analyze(
    uploads: list[Upload],
    engine: ClassifyEngine,
    limits: ServiceLimits,
    *,
    model: str | None,
    whole: bool | None,
) -> list[PhotoResult]:
    """Analyze the files of a request concurrently; return the results in the order of the files."""
    try:
        pending = [
            _too_large_result(upload, limits)
            if upload.content is None
            else asyncio.wrap_future(
                engine.classify(upload.content, upload.name, model=model, whole=whole)
            )
            for upload in uploads
        ]
    except InputError as error:
        raise HTTPException(422, str(error)) from error
    try:
        async with asyncio.timeout(limits.analysis_seconds):
            return list(await asyncio.gather(*pending))
    except TimeoutError as error:
        raise HTTPException(
            504,
            f"The files were not analyzed within {limits.analysis_seconds:.0f} seconds; send fewer "
            "or smaller files, or try again later.",
        ) from error


def _too_large_result(upload: Upload, limits: ServiceLimits) -> asyncio.Future[PhotoResult]:
    """Return a future that already contains the result of a file above the size limit."""
    result: asyncio.Future[PhotoResult] = asyncio.get_running_loop().create_future()
    size = size_text(limits.file_bytes)
    result.set_result(
        PhotoResult(upload.name, error=f"{upload.name} is larger than {size}; send a smaller file.")
    )
    return result


def _add_error_documents(application: FastAPI) -> None:
    """Answer every failed request with an error document."""

    @application.exception_handler(HTTPException)
    async def rejected(_: Request, error: HTTPException) -> Response:
        messages = {
            404: "This path does not exist; /docs describes the service.",
            405: "This path does not support this method; /docs describes the service.",
        }
        message = messages.get(error.status_code, str(error.detail))
        return error_response(error.status_code, message, error.headers)

    @application.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        detail: dict[str, Any] = error.errors()[0]
        name = detail["loc"][-1]
        return error_response(422, f"The parameter '{name}' is not valid: {detail['msg']}.")

    @application.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        _log.error("unexpected error in a request", exc_info=error)
        return error_response(
            500, "An unexpected error occurred; the log of the service has the details."
        )


def _add_documentation(application: FastAPI) -> None:
    """Serve the OpenAPI page with files of an installed package, so that it works offline."""
    import swagger_ui_bundle

    files = Path(swagger_ui_bundle.swagger_ui_path)
    application.mount("/docs/files", StaticFiles(directory=files))

    @application.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(_DOCUMENTATION_PAGE)


_DOCUMENTATION_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>FER Studio service</title>
  <link rel="icon" type="image/png" href="/docs/files/favicon-32x32.png">
  <link rel="stylesheet" href="/docs/files/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/docs/files/swagger-ui-bundle.js"></script>
  <script>
    SwaggerUIBundle({
      url: "/openapi.json",
      dom_id: "#swagger-ui",
      validatorUrl: null,
      persistAuthorization: false,
    });
  </script>
</body>
</html>
"""
