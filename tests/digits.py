"""scikit-learn's 1,797 handwritten digits, as the line's own files: small, real, and in no need of a network."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from components.contracts import AUGMENTED, PREPARED, ClassTarget, ImageInputs, LabelledArrays, Preprocessing

SIDE = 24
LABELS = tuple(str(digit) for digit in range(10))


def digit_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(1797, 24, 24, 1) uint8 and (1797,) int64: each pixel of the 8 × 8 originals became 3 × 3."""
    digits = load_digits()
    pixels = (digits.images / 16 * 255).astype(np.uint8)
    return np.kron(pixels, np.ones((1, 3, 3), np.uint8))[..., None], digits.target.astype(np.int64)


def write_image_folder(root: Path) -> None:
    """One folder of PNG files a digit, as a user would bring them."""
    images, labels = digit_images()
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{index:04d}.png")


def write_prepared(root: Path) -> None:
    """What the stages ``prepare`` and ``augment`` leave behind."""
    images, labels = digit_images()
    ids = np.array([hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images])
    for split, part in (("train", slice(0, 1300)), ("validation", slice(1300, 1500)), ("test", slice(1500, None))):
        LabelledArrays(images[part], labels[part], ids[part]).save(root / PREPARED / split)
    scaled = images[:1300] / 255
    Preprocessing(
        inputs=ImageInputs(
            height=SIDE, width=SIDE, channels=1, mean=(float(scaled.mean()),), std=(float(scaled.std()),)
        ),
        target=ClassTarget(labels=LABELS, counts=tuple(np.bincount(labels[:1300]).tolist())),
    ).write(root / PREPARED / "preprocessing.json")
    (root / AUGMENTED).mkdir(parents=True)
    np.save(root / AUGMENTED / "order.npy", np.arange(1300))
