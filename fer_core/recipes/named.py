"""The named recipes: training configurations under a fixed name.

Recipes A to E follow published systems. The publication of a system is called "the source" below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fer_core.errors import InputError
from fer_core.recipes.architectures import ARCHITECTURES
from fer_core.recipes.config import TrainingConfig


@dataclass(frozen=True)
class Recipe:
    """A named training configuration.

    Attributes:
        name: Name on the command line and on the train page.
        summary: One line for lists.
        published_result: The result that the author of the system reported; empty for our own
            recipes.
        config: The configuration.
    """

    name: str
    summary: str
    published_result: str
    config: TrainingConfig

    @property
    def training_cost(self) -> float:
        """Multiply-adds for one image of 48x48 pixels over all epochs; recipes are sorted by it."""
        return float(self.config.epochs * ARCHITECTURES[self.config.architecture].multiply_adds)


def _recipe_a() -> Recipe:
    """Recipe A: Adam 1e-4, sparse categorical cross-entropy, early stopping on validation loss.

    The source does not give epochs, batch size, patience and augmentation strengths. We use 100
    epochs, batch size 64, patience 10, rotations of 10 degrees, a zoom of 10 % and flips.
    """
    return Recipe(
        name="paired-cnn-adam-early-stopping",
        summary="Paired convolutions with batch normalization; Adam 1e-4, early stopping with the "
        "best weights restored",
        published_result='"satisfactory"; no number given',
        config=TrainingConfig(
            architecture="paired_convolutions",
            epochs=100,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-4,
            label_encoding="integer",
            flip=True,
            rotation_degrees=10,
            zoom_share=0.1,
            monitor="loss",
            early_stopping_patience=10,
        ),
    )


def _recipe_b() -> Recipe:
    """Recipe B: Adam with learning rates of 5e-4, 2.5e-4 after 20 epochs and 5e-5 after 30 epochs.

    The source does not give epochs, batch size and augmentation; we use 50 epochs, batch
    size 64 and no augmentation.
    """
    return Recipe(
        name="four-block-cnn-step-schedule",
        summary="Four blocks of 64 to 512 filters with average pooling and L2; Adam, step schedule",
        published_result="none given",
        config=TrainingConfig(
            architecture="four_blocks_average_pooling",
            epochs=50,
            batch_size=64,
            optimizer="adam",
            learning_rate=5e-4,
            schedule="steps",
            schedule_steps=((20, 2.5e-4), (30, 5e-5)),
            monitor="loss",
        ),
    )


def _recipe_c() -> Recipe:
    """Recipe C: Adam 1e-3, 50 epochs, batch 64, random rotation and flip, early stopping.

    The source does not give the angle and the patience; we use 10 degrees and 10 epochs
    on validation loss.
    """
    return Recipe(
        name="three-conv-cnn-adam",
        summary="Convolutions 32, 64, 128 and a dense layer; Adam 1e-3, 50 epochs, early stopping",
        published_result="about 57 % validation accuracy",
        config=TrainingConfig(
            architecture="three_convolutions",
            epochs=50,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-3,
            flip=True,
            rotation_degrees=10,
            monitor="loss",
            early_stopping_patience=10,
        ),
    )


def _recipe_d() -> Recipe:
    """Recipe D: Adam, categorical cross-entropy, 100 epochs, no augmentation.

    The source does not give learning rate and batch size. We use Adam's default rate of 1e-3 and a
    batch size of 128. The author keeps the weights of the last epoch; we keep those of the
    best epoch, as in all recipes A to E.
    """
    return Recipe(
        name="wide-cnn-100-epochs",
        summary="Convolutions 128 to 512 with heavy dropout and two dense layers; Adam, 100 epochs",
        published_result="none given",
        config=TrainingConfig(
            architecture="four_convolutions_wide",
            epochs=100,
            batch_size=128,
            optimizer="adam",
            learning_rate=1e-3,
            monitor="loss",
        ),
    )


def _recipe_e() -> Recipe:
    """Recipe E: rotation, zoom, flip, early stopping.

    The source does not give optimizer, learning rate, epochs, batch size, patience and augmentation
    strengths. We use Adam 1e-3, 60 epochs, batch size 64, a patience of 8, rotations of 15 degrees
    and a zoom of 10 %.
    """
    return Recipe(
        name="dropout-cnn-early-stopping",
        summary="Convolutions 32, 64, 128 with dropout and one dense layer; Adam, early stopping",
        published_result="none given",
        config=TrainingConfig(
            architecture="three_convolutions_dropout",
            epochs=60,
            batch_size=64,
            optimizer="adam",
            learning_rate=1e-3,
            flip=True,
            rotation_degrees=15,
            zoom_share=0.1,
            monitor="loss",
            early_stopping_patience=8,
        ),
    )


def _two_core_recipe() -> Recipe:
    """Our own recipe: the best accuracy on two CPU cores in about two hours.

    It combines elements of the strongest published recipes: SGD with Nesterov momentum, a cosine
    schedule, weight decay, label smoothing, strong geometric augmentation, random erasing, weight
    averaging and flip averaging. Other programs apply the weight decay through the momentum, and a
    momentum of 0.9 multiplies it by ten. Keras does not, so 5e-3 here equals 5e-4 in these
    programs. Blur, noise, brightness and contrast simulate webcams.
    """
    return Recipe(
        name="plain-eight-sgd-cosine",
        summary="Eight plain convolutions; SGD, cosine schedule, strong augmentation, averaged "
        "weights: the best choice for two CPU cores",
        published_result="",
        config=TrainingConfig(
            architecture="plain_eight",
            epochs=48,
            batch_size=64,
            precision="mixed_bfloat16",
            optimizer="sgd",
            learning_rate=0.05,
            momentum=0.9,
            weight_decay=5e-3,
            averaging_momentum=0.999,
            schedule="cosine",
            warmup_epochs=2,
            label_smoothing=0.1,
            exclude_leaks=True,
            flip=True,
            rotation_degrees=12,
            shift_share=0.1,
            zoom_share=0.15,
            brightness_share=0.15,
            contrast_share=0.25,
            blur_probability=0.1,
            noise_share=0.03,
            erasing_probability=0.25,
            monitor="accuracy",
            flip_averaging=True,
        ),
    )


def _labels_recipe() -> Recipe:
    """Our own recipe for FER2013's labels: a deeper network, half of the epochs on 36x36 pixels.

    Compared with the two-core recipe, the batch size and the learning rate are doubled, the
    augmentation is weaker, and the cosine schedule is longer.
    """
    base = _two_core_recipe()
    return Recipe(
        name="plain-nine-sgd-cosine",
        summary="Nine plain convolutions; SGD, one long cosine schedule, the first half of the "
        "epochs on 36x36 pixels, averaged weights",
        published_result="",
        config=replace(
            base.config,
            architecture="plain_nine",
            epochs=72,
            low_resolution_epochs=36,
            batch_size=128,
            learning_rate=0.1,
            rotation_degrees=10,
            shift_share=0.08,
            zoom_share=0.12,
            erasing_probability=0.15,
        ),
    )


def _votes_recipe() -> Recipe:
    """Our own recipe for the votes of FER2013's annotators (FER+) instead of its labels.

    Vote distributions are smooth already, so there is no label smoothing. In the last sixth of the
    epochs, at the end of the cosine schedule, classes are sampled in proportion to the square root
    of their size, which improves the recall of fear and disgust. The class sizes of the validation
    split do not change, so the validation cross-entropy does not show this improvement. Therefore
    the weights of the last epoch are kept, even if another epoch has a lower cross-entropy.
    """
    base = _labels_recipe()
    return Recipe(
        name="plain-nine-votes",
        summary="Nine plain convolutions that learn the distribution of annotator votes, rare "
        "classes drawn more often in the last epochs",
        published_result="",
        config=replace(
            base.config,
            targets="votes_distribution",
            epochs=36,
            low_resolution_epochs=18,
            label_smoothing=0.0,
            imbalance="square_root_sampling",
            imbalance_last_epochs=6,
            monitor="last",
        ),
    )


def _gpu_recipe() -> Recipe:
    """Our own recipe for a GPU: the common elements of the strongest published recipes.

    These elements are SGD with Nesterov momentum, a learning rate of 0.1 with warm-up and one
    cosine cycle, weight decay, 240 epochs with batch size 128, label smoothing, mixup, weight
    averaging and flip averaging. Shift, zoom, rotation and erasing are slightly stronger than in
    the two-core recipe, because this network is deeper and trains for five times as many epochs, so
    it overfits more.
    """
    base = _two_core_recipe()
    return Recipe(
        name="residual-attention-sgd-cosine-mixup",
        summary="Eleven residual convolutions with channel attention; SGD, cosine schedule, mixup, "
        "240 epochs: for a GPU",
        published_result="",
        config=replace(
            base.config,
            architecture="residual_eleven_attention",
            epochs=240,
            batch_size=128,
            learning_rate=0.1,
            warmup_epochs=5,
            mixup_alpha=0.2,
            rotation_degrees=15,
            shift_share=0.12,
            zoom_share=0.2,
            erasing_probability=0.3,
        ),
    )


#: Every recipe by name, sorted by ``training_cost``.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in sorted(
        (
            _recipe_a(),
            _recipe_b(),
            _recipe_c(),
            _recipe_d(),
            _recipe_e(),
            _two_core_recipe(),
            _labels_recipe(),
            _votes_recipe(),
            _gpu_recipe(),
        ),
        key=lambda recipe: recipe.training_cost,
    )
}


def recipe_by_name(name: str) -> Recipe:
    """Return a recipe.

    Raises:
        InputError: No recipe has this name; the message lists the recipes.
    """
    if name not in RECIPES:
        raise InputError(f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    return RECIPES[name]
