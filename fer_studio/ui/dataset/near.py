"""Near-duplicates of the open dataset. A background job searches for them once."""

from __future__ import annotations

from dataclasses import dataclass

from fer_core.access import Role
from fer_core.dataset.findings import Finding, near_findings
from fer_core.dataset.near_duplicates import NearDuplicates, cached_near_duplicates
from fer_core.jobs.job import Job, JobKind
from fer_studio.ui.datasets import LoadedDataset
from fer_studio.ui.jobs import job_service, result_of, show_progress, start_job

NEAR_DUPLICATES = JobKind("near-duplicates", Role.EDITOR)


@dataclass(frozen=True)
class NearResult:
    """The near-duplicates of a dataset and the findings about them."""

    duplicates: NearDuplicates
    findings: dict[str, Finding]


def near_result(dataset: LoadedDataset) -> NearResult | None:
    """Return the near-duplicates and the findings about them; the first call starts the search.

    Returns:
        The result; None while the search runs. Meanwhile the page shows its progress.

    Raises:
        InputError: The search failed, or the visitor is not an editor.
    """
    key = (dataset.key, str(dataset.folder))

    def search(job: Job) -> NearResult:
        duplicates = cached_near_duplicates(dataset.faces, dataset.folder, job.report)
        return NearResult(duplicates, near_findings(dataset.faces, duplicates))

    job = job_service().get(NEAR_DUPLICATES, key)
    if job is None:
        job = start_job(NEAR_DUPLICATES, key, "Searching for near-duplicates", search)
    if not job.is_finished:
        show_progress(job, stop_key=None)
        return None
    result: NearResult = result_of(job)
    return result
