"""The service's metrics in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters and histograms. They contain no file names and no addresses of clients."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fer_studio_requests",
            "Answered requests by path and status code",
            ["path", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "fer_studio_request_seconds",
            "Time from the header of a request to the end of its answer, in seconds",
            ["path"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
            registry=self._registry,
        )
        self.active = Gauge(
            "fer_studio_active_requests",
            "Requests with a body that are being received, are waiting or are being analyzed",
            registry=self._registry,
        )
        self._pictures = Counter(
            "fer_studio_pictures",
            "Analyzed pictures by outcome",
            ["outcome"],
            registry=self._registry,
        )
        self._faces = Counter("fer_studio_faces", "Classified faces", registry=self._registry)
        self._batches = Histogram(
            "fer_studio_batch_faces",
            "Faces in one call of the network",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self._registry,
        )

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            path: The path of the route; "other" for an unknown path, so that clients cannot create
                new time series.
            status: The status code.
            seconds: The duration.
        """
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_picture(self, face_count: int, *, is_error: bool) -> None:
        """Count an analyzed picture and its faces."""
        self._pictures.labels("error" if is_error else "ok").inc()
        self._faces.inc(face_count)

    def count_batch(self, face_count: int) -> None:
        """Count a call of the network that classified this number of faces."""
        self._batches.observe(face_count)

    def text(self) -> bytes:
        """Return the metrics as text."""
        return generate_latest(self._registry)
