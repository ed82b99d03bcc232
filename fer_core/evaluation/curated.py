"""A model on what the curation leaves of a split, marked as such wherever its figures go."""

from __future__ import annotations

from dataclasses import replace

from fer_core.bundle import Bundle
from fer_core.dataset.curation import CuratedFaceSet
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.evaluation.facts import facts_on_dataset
from fer_core.evaluation.result import EvaluationResult, evaluate_split
from fer_core.predictor import Predictor
from fer_core.progress import ProgressReport
from fer_core.settings import Settings


def evaluate_curated(
    bundle: Bundle,
    imported: FaceSet,
    curated: CuratedFaceSet,
    split: str,
    settings: Settings,
    *,
    dataset_name: str,
    is_demo_data: bool = False,
    predictor: Predictor | None = None,
    report: ProgressReport | None = None,
) -> EvaluationResult:
    """As ``evaluate_split``, on the images that the curation leaves, under its labels.

    The result's rows are those of ``curated.faces``; its data are called "... (curated)", and its
    warnings begin with what was left out, because figures on curated images cannot be compared
    with those on the published ones.

    Args:
        bundle: The model.
        imported: The data as they were imported: they tell what the model was trained on.
        curated: What the curation leaves of them.
        split: ``train``, ``validation``, ``test`` or ``all``.
        settings: Where predictions are kept.
        dataset_name: What to call the data.
        is_demo_data: Whether they are the drawn demo set.
        predictor: The bundle's, if it is open already.
        report: Takes the progress.

    Raises:
        InputError: As for ``evaluate_split``.
    """
    result = evaluate_split(
        bundle,
        curated.faces,
        split,
        settings,
        dataset_name=f"{dataset_name} (curated)",
        is_demo_data=is_demo_data,
        curation=curated.fingerprint,
        predictor=predictor,
        report=report,
    )
    facts = facts_on_dataset(
        bundle, curated.faces, split, is_demo_data=is_demo_data, imported=imported
    )
    warnings = (curation_in_words(curated, split), *facts.warnings)
    return replace(result, facts=replace(facts, warnings=warnings))


def curation_in_words(curated: CuratedFaceSet, split: str) -> str:
    """What the curation has changed in a split, in one sentence.

    Args:
        curated: What it leaves.
        split: One of ``SPLITS`` or ``all``.
    """
    concerned = SPLITS if split == "all" else (split,)
    dropped = sum(curated.dropped[one] for one in concerned)
    relabelled = sum(curated.relabelled[one] for one in concerned)
    images = f"{split} images" if split != "all" else "images"
    if not dropped and not relabelled:
        return f"The curation is heeded; it changes none of the {images}."
    return (
        f"The curation is heeded: of the {images} {dropped:,} "
        f"{'is' if dropped == 1 else 'are'} left out and {relabelled:,} "
        f"{'has' if relabelled == 1 else 'have'} a new label, so that these figures cannot be "
        "compared with those on the data as published."
    )
