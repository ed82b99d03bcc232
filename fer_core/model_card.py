"""The model card: what a bundle's ``README.md`` says to people."""

from __future__ import annotations

from fer_core.bundle import BundleRecord
from fer_core.emotions import EMOTIONS


def model_card(name: str, record: BundleRecord, temperature: float) -> str:
    """Write a model card in Markdown from a bundle's record.

    Args:
        name: The bundle's name.
        record: Its record, with the figures of the splits that were measured.
        temperature: The calibration in force.
    """
    sections = [
        f"# {name}",
        "A neural network that gives the probabilities of seven facial emotions "
        f"({', '.join(EMOTIONS)}) for a 48x48 grey picture of one face.",
        *([_DEMO] if record.is_demo else []),
        *(_training(record) if record.recipe else _origin(record)),
        "## Figures",
    ]
    for split, metrics in record.metrics.items():
        sections.append(_figures(split, metrics))
    if not record.metrics:
        sections.append("None yet; `python -m fer_core evaluate` measures it on a dataset.")
    sections += [
        "## Calibration",
        _calibration(record, temperature),
        "## Limits",
        _LIMITS,
        "## Licence of the data",
        _licence(record),
    ]
    return "\n\n".join(sections) + "\n"


_LIMITS = (
    "The network judges the look of a face in one picture, as annotators of web photos "
    "labelled it. It cannot know what a person feels, means or is. Annotators themselves agree "
    "only in part (people reach 65 ± 5 % on FER2013), rare classes are judged worst, and "
    "faces unlike those of the training data (other ages, skin, light, angles, coverings) may "
    "be judged worse than the figures say.\n\n"
    "Do not use it to decide about people. Inferring emotions at work and in education is "
    "banned in the European Union (AI Act, article 5)."
)
_DEMO = (
    "**Demo data:** trained on faces that the program draws itself. Its figures say nothing about "
    "real faces; do not compare them with those of models trained on photos."
)


def _licence(record: BundleRecord) -> str:
    if record.recipe is None:
        return "Unknown; ask whoever made the model."
    if record.is_demo:
        return "The demo set is drawn by FER Studio and free of rights of others."
    return (
        "That of the training data. FER2013 (Goodfellow et al., 2013) was released for research; "
        "check its terms before any other use of weights trained on it."
    )


def _training(record: BundleRecord) -> list[str]:
    training = record.training
    return [
        "## Training",
        f"- Recipe: `{record.recipe}`, seed {record.seed}; every setting stands in `bundle.json`.\n"
        f"- Network: `{record.config.get('architecture', 'imported')}`, "
        f"{record.parameters:,} parameters.\n"
        f"- Data: {record.dataset.get('name', 'unknown')}, "
        f"{training.get('training_images', 0):,} training images, fingerprint "
        f"`{record.dataset.get('fingerprint', 'unknown')[:16]}`.\n"
        f"- Curation: {record.curation or 'none'}.\n"
        f"- {training.get('epochs', '?')} epochs, the weights of epoch "
        f"{training.get('best_epoch', '?')} kept: the best {training.get('monitor', '')} on "
        "validation. Test images played no part in any choice.\n"
        f"- Hardware: {training.get('hardware', 'unknown')}; backend "
        f"{training.get('backend', 'unknown')}, {training.get('seconds', 0) / 60:.0f} minutes.",
    ]


def _origin(record: BundleRecord) -> list[str]:
    """What is known of a model that was made elsewhere."""
    height, width, channels = record.input_shape
    source = record.source
    lines = [
        "Training data, settings and curation are unknown to FER Studio.",
        f"Network: {record.parameters:,} parameters; input {height}x{width}x{channels}, grey "
        f"values 0 to 255 times {record.input_scale:.6g} plus {record.input_offset:g}.",
        f"Its own order of labels: {', '.join(record.labels)}.",
    ]
    if (height, width) != (48, 48):
        lines.append("Faces reach it through 48x48 pixels, and so without finer detail.")
    if channels == 3:
        lines.append("It takes colour and is given the grey picture three times.")
    if source is not None:
        weights = f" and `{source.weights_file}`" if source.weights_file else ""
        lines.insert(0, f"{source.format} `{source.file}`{weights}, on {record.created[:10]}.")
        lines += [f"Changed: {change}." for change in source.changes]
        lines += [f"Assumed: {assumption}." for assumption in source.assumptions]
    return ["## Imported", "\n".join(f"- {line}" for line in lines)]


def _calibration(record: BundleRecord, temperature: float) -> str:
    if record.recipe:
        text = (
            f"Temperature {temperature:.3f}, fitted on the validation images. The calibration "
            "error above is measured on those same images and so is a little too good."
        )
    elif temperature == 1:
        text = "None: the probabilities are the network's own."
    else:
        text = f"Temperature {temperature:.3f}, taken over with the model."
    if record.flip_averaging:
        text += " Predictions are the mean over the face and its mirror image."
    return text


def _figures(split: str, metrics: dict[str, object]) -> str:
    def number(value: object, pattern: str) -> str:
        return format(value, pattern) if isinstance(value, (int, float)) else "undefined"

    leak_free = metrics.get("leak_free")
    assert isinstance(leak_free, dict)
    per_class = metrics.get("per_class")
    assert isinstance(per_class, dict)
    lines = [
        f"On {split} ({number(metrics.get('n'), ',')} images): accuracy "
        f"{number(metrics.get('accuracy'), '.2%')}, macro F1 "
        f"{number(metrics.get('macro_f1'), '.3f')}, cross-entropy "
        f"{number(metrics.get('loss'), '.3f')}, expected calibration error "
        f"{number(metrics.get('ece'), '.3f')} (15 bins of equal count). On the "
        f"{number(leak_free.get('n'), ',')} of them whose pixels do not also stand in the "
        f"dataset's training split: accuracy {number(leak_free.get('accuracy'), '.2%')}.",
        "",
        "| emotion | precision | recall | F1 | support |",
        "|---|---|---|---|---|",
    ]
    for emotion, figures in per_class.items():
        cells = [number(figures[key], ".3f") for key in ("precision", "recall", "f1")]
        lines.append(f"| {emotion} | {' | '.join(cells)} | {figures['support']:,} |")
    return "\n".join(lines)
