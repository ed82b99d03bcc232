"""Train the face check: ``python -m benchmarks.face_check_training FER2013.zip``.

Positive examples are FER2013's training images, which were cropped by the frontal cascade, with
random shift, rotation, scale, blur and brightness. Negative examples are detections of the cascade
and random squares in images without faces (of scikit-image and scikit-learn), in drawn clothing,
and in mosaics of FER2013's faces where the square does not match a face (a part of a face, a
seam, a face turned by 90 or 180 degrees).
It takes a few minutes on two cores and writes the file for :mod:`fer_core.vision.face_check`.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from fer_core.vision.face_check import INPUT_SIDE, WEIGHTS_PATH, standardized

GrayImage = NDArray[np.uint8]
Rows = NDArray[np.float32]

#: Images without faces in scikit-image and scikit-learn. Excluded are the astronaut, the cameraman
#: and the coins, which show portraits. Tests and benchmarks use the astronaut.
FACE_FREE = {
    "skimage": [
        "brick.png",
        "cell.png",
        "chelsea.png",
        "chessboard_GRAY.png",
        "clock_motion.png",
        "coffee.png",
        "color.png",
        "grass.png",
        "gravel.png",
        "horse.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "logo.png",
        "microaneurysms.png",
        "moon.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "page.png",
        "phantom.png",
        "retina.jpg",
        "rocket.jpg",
        "text.png",
    ],
    "sklearn": ["china.jpg", "flower.jpg"],
}
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
_FER_SIDE = 48


def face_free_paths() -> list[Path]:
    """Return the paths of the images in ``FACE_FREE``."""
    paths = []
    for package, names in FACE_FREE.items():
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        paths += [Path(spec.origin).parent / _FOLDERS[package] / name for name in names]
    return paths


def _read_fer2013(path: Path, prefix: str) -> GrayImage:
    with zipfile.ZipFile(path) as archive:
        names = sorted(
            name for name in archive.namelist() if name.rsplit("/", 1)[-1].startswith(prefix)
        )
        pictures = [
            cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
            for name in names
        ]
    # Images without contrast are skipped, because they show no face.
    stack = np.stack([picture for picture in pictures if picture is not None and picture.std() > 5])
    return np.asarray(stack, np.uint8)


def _augmented(square: GrayImage, rng: np.random.Generator) -> GrayImage:
    """Return a square at the network's input size, randomly mirrored.

    Resolution, blur, brightness and noise are random, too.
    """
    side = int(rng.integers(20, 64)) if rng.random() < 0.6 else INPUT_SIDE
    interpolation = cv2.INTER_AREA if side < square.shape[0] else cv2.INTER_LINEAR
    resized = cv2.resize(square, (side, side), interpolation=interpolation)
    values: NDArray[np.float64] = resized.astype(np.float64)
    if rng.random() < 0.4:
        sigma = float(rng.uniform(0.3, 1.3)) * side / 48
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float64)
    values = 255 * (values / 255) ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.25:
        slope = np.linspace(-1, 1, side) * float(rng.uniform(0.1, 0.6))
        values *= 1 + (slope[None, :] if rng.random() < 0.7 else slope[:, None])
    values = values * float(rng.uniform(0.3, 1.0)) + float(rng.uniform(0, 40))
    values += rng.normal(0, 1, values.shape) * float(rng.exponential(2.0))
    clipped = np.clip(values, 0, 255).astype(np.uint8)
    interpolation = cv2.INTER_AREA if side > INPUT_SIDE else cv2.INTER_LINEAR
    small = cv2.resize(clipped, (INPUT_SIDE, INPUT_SIDE), interpolation=interpolation)
    return np.asarray(small[:, ::-1] if rng.random() < 0.5 else small, np.uint8)


def _transformed_face(
    face: GrayImage, background: GrayImage, rng: np.random.Generator
) -> GrayImage:
    """Return a shifted, rotated and scaled face, within an image or its replicated border."""
    scale = float(np.exp(rng.uniform(np.log(0.85), np.log(1.2))))
    angle = float(np.clip(rng.normal(0, 9), -25, 25))
    middle = _FER_SIDE / 2
    turn = cv2.getRotationMatrix2D((middle - 0.5, middle - 0.5), angle, scale)
    matrix: NDArray[np.float64] = np.asarray(turn, np.float64)
    matrix[:, 2] += rng.uniform(-0.09, 0.09, 2) * _FER_SIDE
    size = (_FER_SIDE, _FER_SIDE)
    if rng.random() < 0.5:
        return np.asarray(
            cv2.warpAffine(face, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
    canvas = cv2.resize(background, size)
    cv2.warpAffine(face, matrix, size, canvas, borderMode=cv2.BORDER_TRANSPARENT)
    return np.asarray(canvas, np.uint8)


def _draw_clothing(rng: np.random.Generator) -> GrayImage:
    """Draw clothing: folds, a pattern, a collar, buttons, fingers."""
    side = 240
    grid_y, grid_x = np.mgrid[0:side, 0:side].astype(np.float32) / side

    def smooth(sigma: float) -> NDArray[np.float32]:
        noise = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), sigma)
        return np.asarray(noise / (noise.std() + 1e-6), np.float32)

    picture = 128 + 25 * smooth(float(rng.uniform(8, 40)))
    angle = float(rng.uniform(0, np.pi))
    along = grid_x * np.cos(angle) + grid_y * np.sin(angle) + 0.03 * smooth(30)
    across = grid_y * np.cos(angle) - grid_x * np.sin(angle) + 0.03 * smooth(30)
    pattern = rng.integers(0, 5)
    count = float(rng.uniform(4, 40)) * 2 * np.pi
    depth = float(rng.uniform(8, 45))
    if pattern == 0:
        picture += depth * np.sign(np.sin(count * along))
    elif pattern == 1:
        picture += depth * (np.sign(np.sin(count * along)) + np.sign(np.sin(count * across))) / 2
    elif pattern == 2:
        picture += depth * (np.sin(count * along) * np.sin(count * across) > 0.5)
    for _ in range(int(rng.integers(0, 14))):
        # A fold is a long dark or light line with soft edges.
        points = (rng.random((3, 2)) * side * 1.2 - 0.1 * side).astype(np.int32)
        layer = np.zeros((side, side), np.float32)
        cv2.polylines(layer, [points], False, 1.0, int(rng.integers(2, 14)), cv2.LINE_AA)
        soft = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(1, 7)))
        picture += (
            np.asarray(soft, np.float32) * float(rng.choice([-1, 1])) * float(rng.uniform(20, 90))
        )
    for _ in range(int(rng.integers(0, 7))):
        # Blobs for buttons, knuckles and logos, usually in a row.
        start = rng.random(2) * side
        step = rng.normal(0, 25, 2)
        axes = (int(rng.integers(2, 24)), int(rng.integers(2, 24)))
        tone = float(rng.uniform(0, 255))
        for index in range(int(rng.integers(1, 5))):
            center = tuple(map(int, start + step * index))
            cv2.ellipse(picture, center, axes, float(rng.uniform(0, 180)), 0, 360, tone, -1, 16)
    if rng.random() < 0.5:
        # A collar: a light or dark wedge below a neck.
        top = rng.random(2) * side
        wide, deep = float(rng.uniform(15, 70)), float(rng.uniform(20, 110))
        corners = ((0.0, 0.0), (2 * wide, 0.0), (wide, deep))
        wedge = (top + np.array(corners)).astype(np.int32)
        cv2.fillPoly(picture, [wedge], float(rng.uniform(0, 255)), cv2.LINE_AA)
        cv2.polylines(picture, [wedge], True, float(rng.uniform(0, 255)), 2, cv2.LINE_AA)
    if rng.random() < 0.4:
        # A hand: parallel rounded fingers with dark gaps.
        start, width = rng.random(2) * side, int(rng.integers(6, 26))
        turn, tone = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(90, 230))
        ahead = np.array([np.cos(turn), np.sin(turn)])
        across = np.array([-ahead[1], ahead[0]])
        for index in range(4):
            root = start + across * index * (width + 2)
            tip = root + ahead * width * float(rng.uniform(2, 4.5))
            ends = [tuple(map(int, point)) for point in (root, tip)]
            cv2.line(picture, ends[0], ends[1], 0.6 * tone, width + 3, cv2.LINE_AA)
            cv2.line(picture, ends[0], ends[1], tone, width, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 2.0)))
    return np.asarray(np.clip(blurred, 0, 255), np.uint8)


class _Proposals:
    """A cascade without its last stages: it returns about 50 times as many false detections."""

    def __init__(self, stage_count: int) -> None:
        package = Path(cv2.__file__).parent / "data"
        tree = ElementTree.parse(package / "haarcascade_frontalface_default.xml")
        parent = tree.getroot().find("cascade/stages")
        assert parent is not None
        for stage in list(parent)[stage_count:]:
            parent.remove(stage)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cascade.xml"
            tree.write(path, encoding="utf-8", xml_declaration=True)
            self._cascade = cv2.CascadeClassifier(str(path))
        assert not self._cascade.empty()

    def __call__(self, picture: GrayImage) -> list[tuple[int, int, int]]:
        found = self._cascade.detectMultiScale(picture, 1.2, 0, minSize=(20, 20))
        return [(int(x), int(y), int(side)) for x, y, side, _ in found]


def _cropped_square(picture: GrayImage, x: int, y: int, side: int) -> GrayImage:
    return picture[max(y, 0) : y + side, max(x, 0) : x + side]


def _random_squares(picture: GrayImage, count: int, rng: np.random.Generator) -> list[GrayImage]:
    squares = []
    for _ in range(count):
        side = int(np.exp(rng.uniform(np.log(20), np.log(min(picture.shape) - 1))))
        x = int(rng.integers(0, picture.shape[1] - side))
        y = int(rng.integers(0, picture.shape[0] - side))
        squares.append(_cropped_square(picture, x, y, side))
    return squares


def _varied_background(picture: GrayImage, rng: np.random.Generator) -> GrayImage:
    """Return an image without faces, randomly rotated, scaled or inverted, to vary its edges."""
    scale = float(rng.uniform(0.35, 1.1)) * min(1.0, 500 / max(picture.shape))
    size = (max(60, int(picture.shape[1] * scale)), max(60, int(picture.shape[0] * scale)))
    picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    picture = np.rot90(picture, int(rng.integers(0, 4)))
    angle = float(rng.uniform(-45, 45)) if rng.random() < 0.6 else 0.0
    matrix = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), angle, 1.0)
    turned = cv2.warpAffine(
        np.ascontiguousarray(picture), matrix, picture.shape[::-1], borderMode=cv2.BORDER_REFLECT
    )
    if rng.random() < 0.25:
        turned = 255 - turned
    return np.asarray(turned, np.uint8)


def _mosaic(
    faces: GrayImage, rng: np.random.Generator
) -> tuple[GrayImage, list[tuple[float, float, float]]]:
    """Return a mosaic of faces, and the squares (center, side) of its upright faces."""
    count = 5
    side = int(rng.integers(40, 76))
    chosen = faces[rng.integers(0, len(faces), count * count)]
    turns = int(rng.choice([0, 0, 1, 2, 2]))
    tiles = [np.rot90(cv2.resize(face, (side, side)), turns) for face in chosen]
    rows = [np.hstack(tiles[index * count : (index + 1) * count]) for index in range(count)]
    face_squares = [
        ((column + 0.5) * side, (row + 0.5) * side, float(side))
        for row in range(count)
        for column in range(count)
    ]
    return np.asarray(np.vstack(rows), np.uint8), face_squares if turns == 0 else []


def _overlaps_face(
    x: float, y: float, side: float, face_squares: list[tuple[float, float, float]]
) -> bool:
    return any(
        max(abs(x - face_x), abs(y - face_y)) < 0.3 * face_side and 0.62 < side / face_side < 1.6
        for face_x, face_y, face_side in face_squares
    )


def _negatives(faces: GrayImage, count: int, rng: np.random.Generator) -> list[GrayImage]:
    """Return squares without a face."""
    proposals = [_Proposals(stage_count) for stage_count in (12, 16, 20)]
    pictures = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in face_free_paths()]
    squares: list[GrayImage] = []
    # The three kinds of pictures, images without faces, clothing and mosaics, contribute in the
    # ratio 1.2 : 0.8 : 1, without the squares of ``_misaligned``.
    counts = [0, 0, 0]
    while len(squares) < count:
        kind = int(np.argmin(np.array(counts) / (1.2, 0.8, 1.0)))
        count_before = len(squares)
        face_squares: list[tuple[float, float, float]] = []
        if kind == 0:
            source = pictures[int(rng.integers(0, len(pictures)))]
            assert source is not None
            picture = _varied_background(np.asarray(source, np.uint8), rng)
        elif kind == 1:
            picture = _draw_clothing(rng)
        else:
            picture, face_squares = _mosaic(faces, rng)
        boxes = [
            box
            for box in proposals[int(rng.integers(0, 3))](picture)
            if not _overlaps_face(box[0] + box[2] / 2, box[1] + box[2] / 2, box[2], face_squares)
        ]
        rng.shuffle(boxes)
        squares += [_cropped_square(picture, *box) for box in boxes[:50]]
        if not face_squares:
            squares += _random_squares(picture, 12, rng)
        counts[kind] += len(squares) - count_before
        if kind == 2 and face_squares:
            squares += _misaligned(faces, 25, rng)
    return squares[:count]


def _misaligned(faces: GrayImage, count: int, rng: np.random.Generator) -> list[GrayImage]:
    """Return parts of faces, and faces with swapped parts."""
    squares = []
    for face in faces[rng.integers(0, len(faces), count)]:
        if rng.random() < 0.6:
            side = int(rng.integers(14, 26))
            x, y = rng.integers(0, _FER_SIDE - side, 2)
            squares.append(_cropped_square(face, int(x), int(y), side))
        else:
            half = _FER_SIDE // 2
            parts = [face[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
            # Left and right halves are not swapped: the result would still resemble a face.
            order = (2, 3, 0, 1) if rng.random() < 0.5 else (0, 3, 2, 1)
            upper = np.hstack([parts[order[0]], parts[order[1]]])
            lower = np.hstack([parts[order[2]], parts[order[3]]])
            squares.append(np.asarray(np.vstack([upper, lower]), np.uint8))
    return squares


def _training_rows(
    faces: GrayImage,
    negatives: list[GrayImage],
    face_rounds: int,
    negative_rounds: int,
    rng: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Return squares as network input, and their labels: 1 for a face, 0 otherwise."""
    squares = []
    for _ in range(face_rounds):
        for face in faces:
            background = negatives[int(rng.integers(0, len(negatives)))]
            squares.append(_augmented(_transformed_face(face, background, rng), rng))
    positive_count = len(squares)
    for _ in range(negative_rounds):
        squares += [_augmented(negative, rng) for negative in negatives]
    labels = np.zeros(len(squares), np.float32)
    labels[:positive_count] = 1
    order = rng.permutation(len(squares))
    return standardized(np.stack(squares))[order], labels[order]


def _train(rows: Rows, labels: Rows, validation: tuple[Rows, Rows], epochs: int) -> list[Rows]:
    """Train, and return kernels and biases that include the batch normalization."""
    import keras

    keras.utils.set_random_seed(1)
    layers: list[keras.layers.Layer] = [keras.layers.Input((INPUT_SIDE, INPUT_SIDE, 1))]
    for filters, stride in ((16, 2), (32, 2), (40, 1), (56, 2)):
        # Padded explicitly and equally on all sides, as in ONNX's Conv.
        layers += [
            keras.layers.ZeroPadding2D(1),
            keras.layers.Conv2D(filters, 3, stride, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.Flatten(), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    network = keras.Sequential(layers)
    batch = 256
    steps = epochs * (len(rows) // batch)
    network.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                3e-4, steps, 0.01, warmup_target=2e-3, warmup_steps=steps // 20
            ),
            weight_decay=1e-3,
        ),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.01),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    network.fit(
        rows[..., None],
        labels,
        batch_size=batch,
        epochs=epochs,
        verbose=2,
        validation_data=(validation[0][..., None], validation[1]),
    )
    weights: list[Rows] = []
    conv_kernel: Rows = np.zeros(0, np.float32)
    for layer in network.layers:
        values = [np.asarray(array) for array in layer.get_weights()]
        if isinstance(layer, keras.layers.Conv2D):
            conv_kernel = values[0]
        elif isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = values
            factor = gamma / np.sqrt(variance + layer.epsilon)
            weights += [(conv_kernel * factor).transpose(3, 2, 0, 1), beta - mean * factor]
        elif isinstance(layer, keras.layers.Dense):
            # Keras flattens with channels last, ONNX with channels first.
            side = INPUT_SIDE // 8
            kernel = values[0].reshape(side, side, -1, 1).transpose(2, 0, 1, 3).reshape(-1, 1)
            weights += [kernel, values[1]]
    return [np.ascontiguousarray(array, np.float32) for array in weights]


def _write_onnx(weights: list[Rows], path: Path) -> None:
    """Write the network as ONNX: float32 ``[n, 1, side, side]`` to probabilities ``[n, 1]``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensor = [], "squares"
    for index, stride in enumerate((2, 2, 1, 2)):
        names = [tensor, f"kernel{index}", f"offset{index}"]
        nodes.append(
            helper.make_node("Conv", names, [f"c{index}"], strides=[stride] * 2, pads=[1] * 4)
        )
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        tensor = f"r{index}"
    nodes.append(helper.make_node("Flatten", [tensor], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "kernel4", "offset4"], ["logit"]))
    nodes.append(helper.make_node("Sigmoid", ["logit"], ["face"]))
    tensors = [
        numpy_helper.from_array(array, f"{('kernel', 'offset')[index % 2]}{index // 2}")
        for index, array in enumerate(weights)
    ]
    shape = ["n", 1, INPUT_SIDE, INPUT_SIDE]
    graph = helper.make_graph(
        nodes,
        "face_check",
        [helper.make_tensor_value_info("squares", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["n", 1])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="FER2013 as a zip of folders")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--negatives", type=int, default=65_000)
    parser.add_argument("--output", type=Path, default=WEIGHTS_PATH)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    faces = _read_fer2013(options.archive, "Training_")
    negatives = _negatives(faces, options.negatives, rng)
    print(f"{len(faces)} faces, {len(negatives)} squares without a face", flush=True)
    rows, labels = _training_rows(faces, negatives, 2, 1, rng)
    validation_faces = _read_fer2013(options.archive, "PublicTest_")
    validation = _training_rows(
        validation_faces, _negatives(validation_faces, 4000, rng), 1, 1, rng
    )
    weights = _train(rows, labels, validation, options.epochs)
    _write_onnx(weights, options.output)
    print(f"{options.output}: {sum(array.size for array in weights)} parameters")


if __name__ == "__main__":
    main()
