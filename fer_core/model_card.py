"""The model card: the ``README.md`` of a bundle."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_core.bundle import MODEL_CARD_FILE, Bundle, BundleRecord, require_changeable_bundle
from fer_core.calibration import Calibration
from fer_core.emotions import EMOTIONS, EMOTIONS8
from fer_core.errors import InputError, system_reason
from fer_core.files import os_errors_as_input_errors, write_text
from fer_core.metrics.formatting import UNDEFINED_TEXT, number, percent


def model_card(name: str, record: BundleRecord, calibration: Calibration | float) -> str:
    """Return the model card of a bundle as Markdown.

    Args:
        name: Name of the bundle.
        record: Record of the bundle, with the metrics of the evaluated splits.
        calibration: Calibration of the bundle; a number is a temperature without logit adjustment.
    """
    if not isinstance(calibration, Calibration):
        calibration = Calibration(calibration)
    sections = [
        f"# {name}",
        "A neural network that predicts the probabilities of "
        f"{_class_description(record.classes)} for a 48x48 grayscale image of one face.",
        *([DEMO_WARNING] if record.is_demo else []),
        *(_training(record) if record.recipe else _origin(record)),
        "## Metrics",
    ]
    for split, metrics in record.metrics.items():
        sections.append(_metrics(split, metrics))
    if not record.metrics:
        sections.append(
            "Not evaluated yet. `python -m fer_core evaluate` measures the model on a dataset."
        )
    sections += [
        "## Calibration",
        _calibration(record, calibration),
        "## Limits",
        LIMITS,
        "## License of the data",
        _license(record),
    ]
    return "\n\n".join(sections) + "\n"


def write_evaluation_card(bundle: Bundle, document: dict[str, Any]) -> Path:
    """Write a section on an evaluation into the model card of a bundle.

    This section replaces the section on an earlier evaluation on the same data and split. All other
    text of the card is kept, including text that was added manually.

    Args:
        bundle: The model.
        document: The result of ``evaluation_document``.

    Returns:
        The path of the card.

    Raises:
        InputError: The evaluation belongs to another model, the model is shipped with FER Studio,
            or the card is not UTF-8 text or cannot be read or written.
    """
    if document["model"] != bundle.name:
        raise InputError(
            f"The evaluation belongs to the model {document['model']!r}, not to {bundle.name!r}; "
            f"evaluate {bundle.name!r} first."
        )
    require_changeable_bundle(bundle.folder)
    path = bundle.folder / MODEL_CARD_FILE
    try:
        card = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        card = model_card(bundle.name, bundle.record, bundle.calibration)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; restore or delete it.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({system_reason(error)}); check its permissions."
        ) from error
    # The model may have been calibrated again since the card was written.
    temperature_text = f"Temperature {bundle.temperature:.3f}"
    card = re.sub(r"^Temperature \d+\.\d+", temperature_text, card, flags=re.MULTILINE)
    if bundle.temperature != 1:
        for sentence in (_UNCALIBRATED, *_EARLIER_UNCALIBRATED):
            card = card.replace(sentence, f"{temperature_text}, fitted on validation images.", 1)
    card = _with_calibration(card, bundle.calibration)
    data = document["dataset"] or f"its training data ({_data_name(bundle.record)})"
    # The HTML comments around a section identify it in later evaluations, so they keep the wording
    # of earlier versions.
    key_data = document["dataset"] or f"the data of its training ({_data_name(bundle.record)})"
    key = re.sub(r"[^A-Za-z0-9. ]+", "_", f"{key_data} {document['split']}")
    begin_comment, end_comment = f"<!-- evaluation of {key} -->", f"<!-- end of {key} -->"
    section = f"{begin_comment}\n{_evaluation_section(data, document)}\n{end_comment}\n"
    start, end = card.find(begin_comment), card.find(end_comment)
    if 0 <= start < end:
        card = card[:start] + section + card[end + len(end_comment) :].removeprefix("\n")
    elif "\n## Limits\n" in card:
        card = card.replace("\n## Limits\n", f"\n{section}\n## Limits\n", 1)
    else:
        card = f"{card.rstrip()}\n\n{section}"
    with os_errors_as_input_errors(f"The card cannot be written to {bundle.folder}"):
        write_text(path, card)
    return path


def _class_description(classes: tuple[str, ...]) -> str:
    """Return the number and the names of the classes, as part of a sentence."""
    descriptions = {EMOTIONS: "seven facial emotions", EMOTIONS8: "eight facial emotions"}
    return (
        f"{descriptions.get(classes, f'{len(classes)} classes')} ({_as_text(', '.join(classes))})"
    )


def _data_name(record: BundleRecord) -> str:
    return str(record.dataset.get("name", "unknown"))


def _evaluation_section(data: str, document: dict[str, Any]) -> str:
    """Return the section on an evaluation.

    Args:
        data: A description of the evaluated data.
        document: The result of ``evaluation_document``.
    """
    overall = document["headline"]
    metric_rows = (
        ("accuracy", "accuracy", percent),
        ("macro F1", "macro_f1", number),
        ("balanced accuracy", "balanced_accuracy", percent),
        ("log loss", "log_loss", number),
        ("top-2 accuracy", "top2_accuracy", percent),
    )
    lines = [
        f"## Evaluation on {_as_text(data)}, {document['split']}",
        "",
        *[f"- {_as_text(warning)}" for warning in document["warnings"]],
        *([""] if document["warnings"] else []),
        f"{overall['n']:,} images; 95 % intervals in parentheses."
        f"{_unseen_sentence(document.get('seen'))}",
        "",
        "| metric | value |",
        "|---|---|",
        *[
            f"| {name} | {_with_interval(overall[key], format_value)} |"
            for name, key, format_value in metric_rows
        ],
    ]
    if overall["leak_free_accuracy"] is not None and overall["leak_free_n"]:
        leak_free = _with_interval(overall["leak_free_accuracy"], percent)
        lines.append(
            f"| accuracy on the {overall['leak_free_n']:,} images "
            f"{_leak_free_description(overall)} | {leak_free} |"
        )
    baseline = overall["baseline"]
    majority_class = _as_text(baseline["emotion"])
    lines.append(
        f"| majority-class baseline ({majority_class}) | {percent(baseline['accuracy'])} |"
    )
    if overall["human_accuracy"] is not None:
        lines.append("| human accuracy on FER2013 | 65 ± 5 % |")
    lines += _votes(document.get("votes"))
    for description, calibration_metrics in (
        ("uncalibrated", document["calibration"]["before"]),
        ("calibrated", document["calibration"]["in_force"]),
        ("temperature cross-validated on these images", document["calibration"]["cross_fitted"]),
    ):
        if calibration_metrics is not None:
            ece = _with_interval(calibration_metrics["ece"], number)
            lines.append(f"| ECE, {description} | {ece} |")
    lines += ["", "| class | precision | recall | F1 | support |", "|---|---|---|---|---|"]
    for name, class_metrics in document["classes"].items():
        cells = [
            _with_interval(class_metrics[key], number) for key in ("precision", "recall", "f1")
        ]
        lines.append(f"| {_as_text(name)} | {' | '.join(cells)} | {class_metrics['support']:,} |")
    return "\n".join([*lines, *_robustness(document["robustness"])])


def _unseen_sentence(seen: dict[str, Any] | None) -> str:
    """Return a sentence with the number of evaluated images that were not used to train the model.

    The sentence is empty if this number is 0 or unknown. The warnings of the evaluation state how
    many evaluated images were used to train the model.
    """
    if seen is None or not seen["unseen"]:
        return ""
    return f" The model has not seen {seen['unseen']:,} of them in its training."


def _votes(votes: dict[str, Any] | None) -> list[str]:
    """Return table rows about annotator votes; empty for an evaluation against labels."""
    if votes is None:
        return []
    clear = votes["clear"]
    return [
        f"| cross-entropy to the votes | {_with_interval(votes['cross_entropy'], number)} |",
        "| agreement of one annotator with the plurality of the others | "
        f"{_with_interval(votes['annotator_agreement'], percent)} |",
        "| agreement of the model with the same plurality | "
        f"{_with_interval(votes['model_agreement'], percent)} |",
        f"| accuracy on the {clear['n']:,} images with at least {100 * clear['share']:.0f} % of "
        f"the votes on one answer | {_with_interval(clear['accuracy'], percent)} |",
        "| excluded images: tied votes, most votes for an answer that is not a class, no votes | "
        f"{votes['ties']:,}, {votes['other_answer']:,}, {votes['no_votes']:,} |",
    ]


def _robustness(curves: dict[str, Any]) -> list[str]:
    """Return accuracy under image corruptions as a table; empty if it was not measured."""
    if not curves:
        return []
    count = min(curve["n"] for curve in curves.values())
    lines = [
        "",
        f"Robustness: accuracy on {count:,} of these images under corruptions from mild to severe. "
        "The first value of each row is the accuracy on the unchanged images.",
        "",
        "| corruption | strength: accuracy |",
        "|---|---|",
    ]
    for name, curve in curves.items():
        points = ", ".join(
            f"{point['strength']:g}: {percent(point['accuracy']['value'])}"
            for point in curve["points"]
        )
        lines.append(f"| {_as_text(name)} ({_as_text(curve['unit'])}) | {points} |")
    return lines


def _with_interval(
    estimate: dict[str, float | None], format_value: Callable[[float | None], str]
) -> str:
    """Return a metric with its confidence interval, if it has one."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None or low is None or high is None:
        return format_value(value)
    return f"{format_value(value)} ({format_value(low)} to {format_value(high)})"


def _as_text(text: str) -> str:
    """Return a text on one line, escaped for Markdown."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


#: Limits of every model, independent of its metrics.
LIMITS = (
    "The network classifies the facial expression in a single image, as annotators of web photos "
    "labeled it. It cannot know what a person feels, means or is. Annotators agree only partly "
    "(human accuracy on FER2013 is 65 ± 5 %), rare classes have the lowest accuracy, and faces "
    "that differ from the training data (in age, skin color, lighting, angle or covering) may be "
    "classified with lower accuracy than these metrics show.\n\n"
    "Do not use it to make decisions about people. Inferring emotions at work and in education is "
    "banned in the European Union (AI Act, article 5)."
)
#: The warning for models that were trained on the demo set.
DEMO_WARNING = (
    "**Demo data:** trained on faces drawn by the program. Its metrics do not apply to real faces; "
    "do not compare them with those of models trained on photos."
)


def _license(record: BundleRecord) -> str:
    if record.recipe is None:
        return "Unknown; ask the author of the model."
    if record.is_demo:
        return "The demo set is drawn by FER Studio; no third-party rights apply."
    if record.classes not in (EMOTIONS, EMOTIONS8):
        return "The license of the training data applies."
    return (
        "The license of the training data applies. FER2013 (Goodfellow et al., 2013) was released "
        "for research; check its terms before any other use of weights trained on it."
        + (
            " FER+'s votes (Barsoum et al., 2016) are published under the MIT license."
            if record.learned_votes
            else ""
        )
    )


def _training(record: BundleRecord) -> list[str]:
    training = record.training
    return [
        "## Training",
        f"- Recipe: `{record.recipe}`, seed {record.seed}; all settings are in `bundle.json`.\n"
        f"- Network: `{record.config.get('architecture', 'imported')}`, "
        f"{record.parameters:,} parameters.\n"
        f"- Data: {record.dataset.get('name', 'unknown')}, "
        f"{training.get('training_images', 0):,} training images, fingerprint "
        f"`{record.dataset.get('fingerprint', 'unknown')[:16]}`.\n"
        f"- Targets: {_targets(record)}.\n"
        f"- Curation: {record.curation or 'none'}.\n"
        f"{_starting_model_line(record)}"
        f"- {training.get('epochs', '?')} epochs; weights of epoch "
        f"{training.get('best_epoch', '?')}, {_selection_criterion(training.get('monitor', ''))}.\n"
        f"- Protocol: the training starts from {_initial_weights(record)} and uses only the "
        "training split. The epoch, the recipe and the temperature are selected on the "
        "validation split, so its metrics are slightly optimistic. "
        "Test images were not used for any choice.\n"
        f"- Hardware: {training.get('hardware', 'unknown')}; backend "
        f"{training.get('backend', 'unknown')}, {training.get('seconds', 0) / 60:.0f} minutes.",
    ]


def _starting_model_line(record: BundleRecord) -> str:
    """Return a line on the starting model; empty for random weights."""
    start = record.start
    if not start:
        return ""
    head = {
        "kept": "the last layer kept",
        "reordered": "the outputs of the last layer reordered",
        "replaced": "the last layer replaced",
    }.get(str(start.get("head")), "whether the last layer was kept is unknown")
    frozen = f", frozen up to and including {start['freeze']}" if start.get("freeze") else ""
    # The starting model may have its own starting model, which was often trained on the same
    # dataset.
    names = ", ".join(
        dict.fromkeys(str(dataset.get("name", "unknown")) for dataset in record.starting_datasets)
    )
    # If a model replaces its starting model, both have the same name, but different versions.
    digest = str(start.get("digest") or "")
    version = f", version {digest[:8]}" if digest else ""
    return (
        f"- Start: the weights of `{start.get('model', 'unknown')}`{version} ({head}{frozen}), "
        f"which was trained on {_as_text(names) or 'unknown data'}.\n"
    )


def _initial_weights(record: BundleRecord) -> str:
    return "the weights of the starting model" if record.start else "random weights"


def _selection_criterion(monitor: str) -> str:
    return "the last one" if monitor == "last" else f"the best {monitor} on validation"


def _targets(record: BundleRecord) -> str:
    """Return a description of the training targets."""
    if not record.learned_votes:
        return "the labels of the dataset"
    targets = record.targets
    targets_text = {
        "votes_majority": "the plurality of annotator votes",
        "votes_distribution": "the distribution of annotator votes",
    }.get(str(targets.get("kind")), str(targets.get("kind")))
    left_out = targets.get("left_out", {}).get("train", {})
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    return (
        f"{targets_text} ({_as_text(str(targets.get('source', 'unknown')))}), without answers that "
        f"have a single vote (Barsoum et al., 2016); {sum(left_out.values()):,} training images "
        "without usable votes excluded" + (f" ({reasons})" if reasons else "")
    )


def _origin(record: BundleRecord) -> list[str]:
    """Return the section on the origin of an imported model."""
    height, width, channels = record.input_shape
    source = record.source
    lines = [
        "Training data, settings and curation are unknown to FER Studio.",
        f"Network: {record.parameters:,} parameters; input {height}x{width}x{channels}, gray "
        f"values 0 to 255 times {record.input_scale:.6g} plus {record.input_offset:g}.",
        f"Order of the outputs: {_as_text(', '.join(record.labels))}.",
    ]
    if (height, width) != (48, 48):
        lines.append("Faces are reduced to 48x48 pixels first, so finer details are lost.")
    if channels == 3:
        lines.append(
            "The network expects color; the grayscale image is repeated for all three channels."
        )
    if source is not None:
        weights = f" and `{source.weights_file}`" if source.weights_file else ""
        lines.insert(0, f"{source.format} `{source.file}`{weights}, on {record.created[:10]}.")
        lines += [f"Changed: {change}." for change in source.changes]
        lines += [f"Assumed: {assumption}." for assumption in source.assumptions]
    return ["## Imported", "\n".join(f"- {line}" for line in lines)]


_UNCALIBRATED = "None: the probabilities are those of the network."
#: The wordings of ``_UNCALIBRATED`` in cards that earlier versions wrote.
_EARLIER_UNCALIBRATED = ("None: the probabilities are the network's own.",)


def _calibration(record: BundleRecord, calibration: Calibration) -> str:
    temperature = calibration.temperature
    if record.recipe:
        text = (
            f"Temperature {temperature:.3f}, fitted on the validation images. The ECE above is "
            "measured on the same images, so it is slightly optimistic."
        )
    elif temperature == 1:
        text = _UNCALIBRATED
    else:
        text = f"Temperature {temperature:.3f}, imported with the model."
    if record.flip_averaging:
        text += " Predictions are the mean over the face and its mirror image."
    return text + _adjustment_and_thresholds(calibration)


def _adjustment_and_thresholds(calibration: Calibration) -> str:
    """Return paragraphs on logit adjustment and thresholds; empty if there is neither."""
    text = ""
    if calibration.class_prior is not None:
        shares = ", ".join(
            f"{_as_text(name)} {percent(share)}"
            for name, share in zip(calibration.classes, calibration.class_prior, strict=True)
        )
        if calibration.prior_exponent:
            adjustment = (
                "probabilities are divided by (share of the training targets)"
                f"^{calibration.prior_exponent:g} before temperature scaling (Menon et al., 2021; "
                "the exponent with the best macro F1 on validation)"
            )
        else:
            adjustment = (
                "none by default, because macro F1 on validation is best without it (Menon et "
                "al., 2021)"
            )
        text += f"\n\n**Logit adjustment:** {adjustment}. Shares: {shares}."
    reached = {key: value for key, value in calibration.thresholds.items() if value is not None}
    if reached:
        parts = ", ".join(
            f"{key} % of the predictions with a confidence of at least {value:.2f}"
            for key, value in reached.items()
        )
        text += f"\n\n**Confidence:** on validation (cross-validated), {parts} are correct."
    return text


_ADJUSTMENT_AND_THRESHOLDS = re.compile(r"\n\n\*\*(?:Logit adjustment|Confidence):\*\*[^\n]*")


def _with_calibration(card: str, calibration: Calibration) -> str:
    """Replace the paragraphs on logit adjustment and thresholds in a card.

    They follow the line that begins with "Temperature" and a number. A card without such a line
    gets no paragraphs on logit adjustment and thresholds.
    """
    card = _ADJUSTMENT_AND_THRESHOLDS.sub("", card)
    match = re.search(r"^Temperature \d[^\n]*", card, flags=re.MULTILINE)
    if match is None:
        return card
    return card[: match.end()] + _adjustment_and_thresholds(calibration) + card[match.end() :]


def _metrics(split: str, metrics: dict[str, Any]) -> str:
    """Return the metrics of one split as text; metrics that a record lacks are omitted."""
    count = f" ({_formatted(metrics['n'], _count)} images)" if "n" in metrics else ""
    metric_texts = (
        ("accuracy", "accuracy", percent, ""),
        ("macro F1", "macro_f1", number, ""),
        ("cross-entropy", "loss", number, ""),
        ("expected calibration error", "ece", number, " (15 bins of equal count)"),
    )
    parts = [
        f"{name} {_formatted(metrics[key], format_value)}{method}"
        for name, key, format_value, method in metric_texts
        if key in metrics
    ]
    text = f"On {split}{count}: {', '.join(parts) or 'no metrics are recorded'}."
    leak_free = metrics.get("leak_free")
    if isinstance(leak_free, dict):
        text += (
            f" On the {_formatted(leak_free.get('n'), _count)} of them "
            f"{_leak_free_description(leak_free)}: accuracy "
            f"{_formatted(leak_free.get('accuracy'), percent)}."
        )
    votes = metrics.get("votes")
    if isinstance(votes, dict):
        return "\n\n".join(
            (
                "Against the labels. " + _with_class_table(text, metrics),
                _with_class_table(_vote_metrics(split, votes), votes),
            )
        )
    return _with_class_table(text, metrics)


def _leak_free_description(metrics: dict[str, Any]) -> str:
    """Return a description of the leak-free images.

    In metrics of earlier versions, only exact copies of training images are excluded.
    """
    if metrics.get("near_copies") is None:
        return "whose pixels do not appear in the training split"
    return "without a copy or near-duplicate in the training split"


def _vote_metrics(split: str, votes: dict[str, Any]) -> str:
    """Return the metrics of one split, measured against the plurality of annotator votes."""
    parts = _metrics(split, {key: value for key, value in votes.items() if key != "per_class"})
    ties = votes.get("ties")
    text = f"Against the plurality of annotator votes. {parts}"
    if isinstance(ties, int):
        text += (
            f" {ties:,} images with tied votes and images without usable votes are excluded; the "
            "cross-entropy is to the distribution of the votes and includes ties."
        )
    return text


def _with_class_table(text: str, metrics: dict[str, Any]) -> str:
    """Return a paragraph, followed by a table of the classes if their metrics are recorded."""
    per_class = metrics.get("per_class")
    if not isinstance(per_class, dict):
        return text
    lines = [
        text,
        "",
        "| class | precision | recall | F1 | support |",
        "|---|---|---|---|---|",
    ]
    for name, class_metrics in per_class.items():
        cells = [
            _formatted(class_metrics.get(key), number) for key in ("precision", "recall", "f1")
        ]
        cells.append(_formatted(class_metrics.get("support"), _count))
        lines.append(f"| {_as_text(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _count(value: float) -> str:
    return f"{value:,}"


def _formatted(value: object, format_value: Callable[[float], str]) -> str:
    """Return a value of a record as text; "undefined" if it is not a number."""
    return format_value(value) if isinstance(value, (int, float)) else UNDEFINED_TEXT
