"""Fine-tuning of the shipped model compared with training from random weights on the same images.

The images are those of FER2013's validation split, which no training of the shipped model has
seen, without copies and near-duplicates of its training images. Disgust and surprise are left out,
because only 34 and 225 of their images remain. Each training uses some of the images, and is
evaluated on others after its last epoch. The last layer is replaced, as for a dataset with other
classes. ``python -m benchmarks.fine_tuning``; needs the imported dataset *fer2013*.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measurement import Measurement, table_head, table_row
from fer_core.bundle import find_bundle
from fer_core.dataset.face_set import SPLITS, FaceSet
from fer_core.dataset.near_search import copies_of_train
from fer_core.dataset.store import load_dataset
from fer_core.emotions import EMOTIONS
from fer_core.keras_backend import prepare_backend
from fer_core.metrics import proportion_estimate
from fer_core.recipes import recipe_by_name
from fer_core.recipes.fine_tuning import fine_tuning_config
from fer_core.settings import load_settings
from fer_core.training.run_folder import RunFolder, RunSetup

_RECIPE = "plain-eight-sgd-cosine"
_CLASSES = tuple(name for name in EMOTIONS if name not in ("disgust", "surprise"))
_EVALUATED_PER_CLASS = 70  # images of each class

#: Epochs from random weights and from trained ones, by the number of training images per class.
_EPOCHS = {30: (40, 16), 100: (30, 10), 300: (16, 5)}


def measure(sizes: tuple[int, ...] = tuple(_EPOCHS), seed: int = 0) -> list[Measurement]:
    """For each number of images, train from trained weights and from random weights.

    Args:
        sizes: Numbers of images of each class; keys of ``_EPOCHS``.
        seed: Decides which images are used.
    """
    prepare_backend()
    from fer_core.exchange.onnx_export import load_keras_model
    from fer_core.training.fit import BEST_WEIGHTS_FILE, fit, predict_in_batches
    from fer_core.training.model_setup import StartingWeights, build_float32_model

    settings = load_settings()
    bundle = find_bundle(None, settings)
    architecture = str(bundle.record.config["architecture"])
    # The classes of the trained model get other names, so that its last layer is replaced.
    renamed = tuple(f"old {name}" for name in bundle.record.labels)
    trained_weights = StartingWeights(load_keras_model(bundle).get_weights(), renamed)
    pool = _unseen_images(load_dataset("fer2013", settings))
    rows = []
    for size in sizes:
        faces, evaluated = _chosen(pool, size, seed)
        base = replace(
            recipe_by_name(_RECIPE).config,
            architecture=architecture,
            precision="float32",
            batch_size=32,
            exclude_leaks=False,
            monitor="last",
        )
        random_epochs, tuned_epochs = _EPOCHS[size]
        tuned = replace(fine_tuning_config(base, architecture), epochs=tuned_epochs)
        for title, config, starting_weights in (
            ("fine-tuned", tuned, trained_weights),
            (
                "fine-tuned, frozen up to stage2",
                tuned,
                replace(trained_weights, freeze="stage2"),
            ),
            ("from random weights", replace(base, epochs=random_epochs), None),
        ):
            with tempfile.TemporaryDirectory() as folder:
                run = RunFolder(Path(folder) / "run")
                run.create(RunSetup(_RECIPE, "fer2013", config))
                begin, begin_cpu = time.perf_counter(), time.process_time()
                fit(config, faces, run, starting_weights=starting_weights)
                seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
                arrays = run.load_arrays(BEST_WEIGHTS_FILE)
            model = build_float32_model(config, [arrays[key] for key in sorted(arrays)])
            predicted = predict_in_batches(model, evaluated.images).argmax(axis=1)
            correct = int((predicted == evaluated.labels).sum())
            accuracy = proportion_estimate(correct, len(evaluated))
            rows.append(
                Measurement(
                    f"{size} images of each of {len(_CLASSES)} classes, {title}",
                    f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})",
                    f"{config.epochs} epochs in {seconds:.0f} s, {cpu:.0f} s of CPU time",
                )
            )
            print(table_row(rows[-1]), flush=True)
    return rows


def _unseen_images(fer2013: FaceSet) -> FaceSet:
    """Return validation images that are neither copies nor near-duplicates of training images."""
    rows = fer2013.rows("validation")
    is_exact, is_near, _ = copies_of_train(fer2013.images, rows, fer2013.rows("train"))
    return fer2013.subset(rows[~(is_exact | is_near)])


def _chosen(pool: FaceSet, size: int, seed: int) -> tuple[FaceSet, FaceSet]:
    """Return images to train on, and images to evaluate on, which are the same for every size.

    A training needs a validation split; here it is one image of each class, which has no influence.
    """
    evaluated, rows, splits = [], [], []
    for name in _CLASSES:
        members = np.random.default_rng(seed).permutation(
            np.flatnonzero(pool.labels == EMOTIONS.index(name))
        )
        if len(members) < _EVALUATED_PER_CLASS + 1 + size:
            raise ValueError(f"{name} has only {len(members)} images")
        evaluated.append(members[:_EVALUATED_PER_CLASS])
        rows.append(members[_EVALUATED_PER_CLASS : _EVALUATED_PER_CLASS + 1 + size])
        splits.append(np.repeat([SPLITS.index("validation"), 0], [1, size]))
    faces = pool.subset(np.concatenate(rows))
    faces = replace(faces, splits=np.concatenate(splits).astype(np.int8))
    return faces, pool.subset(np.concatenate(evaluated))


def main() -> int:
    """Print the table row by row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning")
    parser.add_argument("--sizes", type=int, nargs="+", choices=_EPOCHS, default=list(_EPOCHS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(table_head(), flush=True)
    measure(tuple(options.sizes), options.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
