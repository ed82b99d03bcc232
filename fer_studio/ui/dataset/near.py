"""Near-duplicates of the open dataset: searched once, in the background."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.dataset.findings import Finding, near_findings
from fer_core.dataset.near_duplicates import NearDuplicates, cached_near_duplicates
from fer_studio.ui.datasets import OpenDataset
from fer_studio.ui.jobs import Job, job_board, result_of, show_progress


@dataclass(frozen=True)
class NearResult:
    """Near-duplicates and the findings about them."""

    near: NearDuplicates
    findings: dict[str, Finding]


def near_result(dataset: OpenDataset) -> NearResult | None:
    """Return the near-duplicates; None, with progress on the page, while they are searched.

    Raises:
        InputError: The search failed.
    """
    key = ("near", dataset.key, str(dataset.folder))
    board = job_board()

    def work(job: Job) -> NearResult:
        near = cached_near_duplicates(dataset.faces, dataset.folder, job.report)
        return NearResult(near, near_findings(dataset.faces, near))

    job = board.get(key) or board.start(key, "Searching near-duplicates", work)
    if not job.is_finished:
        show_progress(job, key=None)
        return None
    result: NearResult = result_of(key, job)
    return result
