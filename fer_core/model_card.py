"""The model card: what a bundle's ``README.md`` says to people."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from fer_core.bundle import MODEL_CARD_FILE, Bundle, BundleRecord, require_own_bundle
from fer_core.emotions import EMOTIONS
from fer_core.errors import InputError
from fer_core.files import os_errors_as_input_errors, write_text


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
        *([DEMO] if record.is_demo else []),
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
        LIMITS,
        "## Licence of the data",
        _licence(record),
    ]
    return "\n\n".join(sections) + "\n"


def write_evaluation_card(bundle: Bundle, document: dict[str, Any]) -> Path:
    """Put an evaluation into a bundle's model card.

    Its section replaces an earlier one of the same data and split; what else stands in the card,
    written by people perhaps, is kept.

    Args:
        bundle: The model.
        document: As ``assessment_document`` gives it.

    Returns:
        The path of the card.

    Raises:
        InputError: The evaluation is another model's, or the card is no text or cannot be written.
    """
    if document["model"] != bundle.name:
        raise InputError(
            f"The evaluation is of the model {document['model']!r}, not of {bundle.name!r}; "
            "evaluate that one."
        )
    require_own_bundle(bundle.folder)
    path = bundle.folder / MODEL_CARD_FILE
    try:
        card = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        card = model_card(bundle.name, bundle.record, bundle.temperature)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text; restore or delete it.") from error
    # A calibration since the card was written would make it wrong.
    temperature = f"Temperature {bundle.temperature:.3f}"
    card = re.sub(r"^Temperature \d+\.\d+", temperature, card, flags=re.MULTILINE)
    if bundle.temperature != 1:
        card = card.replace(_UNCALIBRATED, f"{temperature}, fitted on validation images.", 1)
    data = document["dataset"] or f"the data of its training ({_data_name(bundle.record)})"
    key = re.sub(r"[^A-Za-z0-9. ]+", "_", f"{data} {document['split']}")
    begin, end = f"<!-- evaluation of {key} -->", f"<!-- end of {key} -->"
    section = f"{begin}\n{_evaluation(data, document)}\n{end}\n"
    start, stop = card.find(begin), card.find(end)
    if 0 <= start < stop:
        card = card[:start] + section + card[stop + len(end) :].removeprefix("\n")
    elif "\n## Limits\n" in card:
        card = card.replace("\n## Limits\n", f"\n{section}\n## Limits\n", 1)
    else:
        card = f"{card.rstrip()}\n\n{section}"
    with os_errors_as_input_errors(f"The card cannot be written to {bundle.folder}"):
        write_text(path, card)
    return path


def _data_name(record: BundleRecord) -> str:
    return str(record.dataset.get("name", "unknown"))


def _evaluation(data: str, document: dict[str, Any]) -> str:
    figures = document["headline"]
    title = f"## Evaluation on {_as_text(data)}, {document['split']}"
    named = (
        ("accuracy", "accuracy", ".1%"),
        ("macro F1", "macro_f1", ".3f"),
        ("balanced accuracy", "balanced_accuracy", ".1%"),
        ("log loss", "log_loss", ".3f"),
        ("truth among the two most probable", "top2_accuracy", ".1%"),
    )
    lines = [
        title,
        "",
        *[f"- {_as_text(warning)}" for warning in document["warnings"]],
        *([""] if document["warnings"] else []),
        f"{figures['n']:,} images; in brackets 95 % intervals.",
        "",
        "| figure | value |",
        "|---|---|",
        *[f"| {name} | {_with_interval(figures[key], pattern)} |" for name, key, pattern in named],
    ]
    if figures["leak_free_accuracy"] is not None:
        leak_free = _with_interval(figures["leak_free_accuracy"], ".1%")
        lines.append(
            f"| accuracy on the {figures['leak_free_n']:,} that are not also in train | "
            f"{leak_free} |"
        )
    baseline = figures["baseline"]
    lines.append(f"| always saying {baseline['emotion']} | {baseline['accuracy']:.1%} |")
    if figures["human_accuracy"] is not None:
        lines.append("| people, on FER2013 | 65 ± 5 % |")
    for title, state in (
        ("before temperature", document["calibration"]["before"]),
        ("at the temperature in force", document["calibration"]["in_force"]),
        ("temperature cross-fitted here", document["calibration"]["cross_fitted"]),
    ):
        if state is not None:
            error = _with_interval(state["ece"], ".3f")
            lines.append(f"| calibration error, {title} | {error} |")
    lines += ["", "| emotion | precision | recall | F1 | support |", "|---|---|---|---|---|"]
    for emotion, one in document["classes"].items():
        cells = [_with_interval(one[key], ".3f") for key in ("precision", "recall", "f1")]
        lines.append(f"| {emotion} | {' | '.join(cells)} | {one['support']:,} |")
    return "\n".join([*lines, *_robustness(document["robustness"])])


def _robustness(curves: dict[str, Any]) -> list[str]:
    """How accuracy falls when the pictures are spoiled; no line where it was not measured."""
    if not curves:
        return []
    count = min(curve["n"] for curve in curves.values())
    lines = [
        "",
        f"Robustness: accuracy when {count:,} of these pictures are spoiled, from mild to severe; "
        "the first figure of each row is of the untouched ones.",
        "",
        "| spoiled by | strength: accuracy |",
        "|---|---|",
    ]
    for name, curve in curves.items():
        points = ", ".join(
            f"{point['strength']:g}: {point['accuracy']['value']:.1%}" for point in curve["points"]
        )
        lines.append(f"| {_as_text(name)} ({_as_text(curve['unit'])}) | {points} |")
    return lines


def _with_interval(estimate: dict[str, float | None], pattern: str) -> str:
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None:
        return "undefined"
    if low is None or high is None:
        return f"{value:{pattern}}"
    return f"{value:{pattern}} ({low:{pattern}} to {high:{pattern}})"


def _as_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


#: What no figure can make good.
LIMITS = (
    "The network judges the look of a face in one picture, as annotators of web photos "
    "labelled it. It cannot know what a person feels, means or is. Annotators themselves agree "
    "only in part (people reach 65 ± 5 % on FER2013), rare classes are judged worst, and "
    "faces unlike those of the training data (other ages, skin, light, angles, coverings) may "
    "be judged worse than the figures say.\n\n"
    "Do not use it to decide about people. Inferring emotions at work and in education is "
    "banned in the European Union (AI Act, article 5)."
)
#: What is to be said of figures on drawn faces.
DEMO = (
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
        + (
            " FER+'s votes (Barsoum et al., 2016) are published under the MIT licence."
            if record.learned_votes
            else ""
        )
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
        f"- Targets: {_targets(record)}.\n"
        f"- Curation: {record.curation or 'none'}.\n"
        f"- {training.get('epochs', '?')} epochs, the weights of epoch "
        f"{training.get('best_epoch', '?')} kept: {_selection(training.get('monitor', ''))}.\n"
        "- Protocol: weights are learnt on the training split alone, from scratch; the epoch, the "
        "recipe and the temperature are chosen on the validation split, whose figures are so a "
        "little too good; test images played no part in any choice.\n"
        f"- Hardware: {training.get('hardware', 'unknown')}; backend "
        f"{training.get('backend', 'unknown')}, {training.get('seconds', 0) / 60:.0f} minutes.",
    ]


def _selection(monitor: str) -> str:
    return "the last one" if monitor == "last" else f"the best {monitor} on validation"


def _targets(record: BundleRecord) -> str:
    """What was learned, in words."""
    if not record.learned_votes:
        return "the dataset's labels"
    targets = record.targets
    what = {
        "votes_majority": "the plurality of annotator votes",
        "votes_distribution": "the distribution of annotator votes",
    }.get(str(targets.get("kind")), str(targets.get("kind")))
    left_out = targets.get("left_out", {}).get("train", {})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    return (
        f"{what} ({_as_text(str(targets.get('source', 'unknown')))}), single votes dropped "
        f"(Barsoum et al., 2016); {sum(left_out.values()):,} training images without usable votes "
        "left out" + (f" ({reasons})" if reasons else "")
    )


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


_UNCALIBRATED = "None: the probabilities are the network's own."


def _calibration(record: BundleRecord, temperature: float) -> str:
    if record.recipe:
        text = (
            f"Temperature {temperature:.3f}, fitted on the validation images. The calibration "
            "error above is measured on those same images and so is a little too good."
        )
    elif temperature == 1:
        text = _UNCALIBRATED
    else:
        text = f"Temperature {temperature:.3f}, taken over with the model."
    if record.flip_averaging:
        text += " Predictions are the mean over the face and its mirror image."
    return text


def _figures(split: str, metrics: dict[str, Any]) -> str:
    """One split's figures; a record that was not written here may hold only some of them."""
    count = f" ({_number(metrics['n'], ',')} images)" if "n" in metrics else ""
    named = (
        ("accuracy", "accuracy", ".2%", ""),
        ("macro F1", "macro_f1", ".3f", ""),
        ("cross-entropy", "loss", ".3f", ""),
        ("expected calibration error", "ece", ".3f", " (15 bins of equal count)"),
    )
    parts = [
        f"{name} {_number(metrics[key], pattern)}{how}"
        for name, key, pattern, how in named
        if key in metrics
    ]
    text = f"On {split}{count}: {', '.join(parts) or 'no figure is recorded'}."
    leak_free = metrics.get("leak_free")
    if isinstance(leak_free, dict):
        text += (
            f" On the {_number(leak_free.get('n'), ',')} of them whose pixels do not also stand in "
            "the dataset's training split: accuracy "
            f"{_number(leak_free.get('accuracy'), '.2%')}."
        )
    votes = metrics.get("votes")
    if isinstance(votes, dict):
        return "\n\n".join(
            (
                "Against the labels. " + _with_classes(text, metrics),
                _with_classes(_against_votes(split, votes), votes),
            )
        )
    return _with_classes(text, metrics)


def _against_votes(split: str, votes: dict[str, Any]) -> str:
    """One split's figures against the plurality of annotator votes."""
    parts = _figures(split, {key: value for key, value in votes.items() if key != "per_class"})
    ties = votes.get("ties")
    text = f"Against the plurality of annotator votes. {parts}"
    if isinstance(ties, int):
        text += (
            f" Left out are {ties:,} images on which emotions tie, and images without usable "
            "votes; the cross-entropy is to the distribution of the votes and includes ties."
        )
    return text


def _with_classes(text: str, metrics: dict[str, Any]) -> str:
    """A paragraph and, where the figures hold them, a table of the classes."""
    per_class = metrics.get("per_class")
    if not isinstance(per_class, dict):
        return text
    lines = [
        text,
        "",
        "| emotion | precision | recall | F1 | support |",
        "|---|---|---|---|---|",
    ]
    for emotion, figures in per_class.items():
        cells = [_number(figures.get(key), ".3f") for key in ("precision", "recall", "f1")]
        cells.append(_number(figures.get("support"), ","))
        lines.append(f"| {emotion} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value: object, pattern: str) -> str:
    return format(value, pattern) if isinstance(value, (int, float)) else "undefined"
