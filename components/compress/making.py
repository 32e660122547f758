"""Variants as they are made: each kept under a key of all that it follows from, so that a killed stage goes on."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from pydantic import TypeAdapter

from components.contracts import AUGMENTED, PREPARED, TRAINED, LayerShift
from components.contracts.record import Record
from components.files import file_sha256, read_json, whole_folder, write_json
from components.lineage import code_tree, tree_digest
from components.params import Params
from components.params.sections import FP32, DistillationParams, PretrainedParams, StatedStudent, TechniqueParams

GRAPH, MADE, NETWORK, SUMS = "graph.onnx", "made.json", "network", "sums.json"
LIBRARIES = (
    "ml-dtypes", "numpy", "onnx", "onnxruntime", "onnxscript", "pytorch-lightning", "torch", "torch-pruning",
    "transformers",
)  # fmt: skip


class Made(Record):
    """What is known of a variant besides its graph: ``made.json``."""

    parity_difference: float | None
    in_float: tuple[str, ...]
    sensitivity: tuple[LayerShift, ...]


PLAIN = Made(parity_difference=None, in_float=(), sensitivity=())


def keys_of(params: Params) -> dict[str, str]:
    """A key for each variant, fp32 first: the same as long as all that the variant follows from is the same."""
    keys = {FP32: _digest(_origin(params))}
    for name, technique in params.compress.variants.items():
        described = TypeAdapter(TechniqueParams).dump_python(technique, mode="json", exclude={"of"})
        keys[name] = _digest([keys[technique.of], described, _student_weights(params, name)])
    return keys


def _student_weights(params: Params, name: str) -> str | None:
    """Digest of the pretrained weights that a student starts from; None: it has none, or they are on the hub."""
    technique = params.compress.variants[name]
    if isinstance(technique, DistillationParams) and isinstance(technique.student, StatedStudent):
        network = params.stated_student(name, technique.student)
        if isinstance(network, PretrainedParams):
            return tree_digest(code_tree(Path(network.checkpoint)))
    return None


def _origin(params: Params) -> list[object]:
    """What the trained network, its data and every training of it follow from."""
    files = [PREPARED / split / f"{part}.npy" for split in ("train", "validation") for part in ("inputs", "labels")]
    files += [PREPARED / "preprocessing.json", AUGMENTED / "order.npy", TRAINED / "best.safetensors"]
    return [
        params.model_dump(include={"task", "seed", "augment", "train"}, mode="json"),
        params.compress.max_parity_difference,
        params.evaluate.golden_samples,
        [file_sha256(file) for file in files],
        tree_digest(code_tree(Path(__file__).parents[1])),
        [version(library) for library in LIBRARIES],
        params.train.accelerator != "cpu" and torch.cuda.is_available(),
    ]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a variant, but for the file of these."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    return {str(path.relative_to(folder)): file_sha256(path) for path in files}


def _whole(folder: Path) -> bool:
    """Whether all files of a variant are as they were written."""
    try:
        return bool(read_json(folder / SUMS) == _sums(folder))
    except (OSError, ValueError):  # it is the sums that are damaged
        return False


@dataclass(frozen=True)
class Shelf:
    """Where finished variants are kept between runs, and unfinished ones have their checkpoints.

    Attributes:
        folder: of this machine's state, not of the line's outputs.
        keys: of all variants, by name.
    """

    folder: Path
    keys: Mapping[str, str] = field(repr=False)

    def place(self, name: str) -> Path:
        """Folder of a finished variant."""
        return self.folder / self.keys[name]

    def state(self, name: str) -> Path:
        """Folder of the checkpoints of one that is not finished."""
        return self.folder / f"{self.keys[name]}.state"

    def graph(self, name: str) -> Path:
        """Its ONNX graph."""
        return self.place(name) / GRAPH

    def made(self, name: str) -> Made:
        """What is known of it besides."""
        return Made.read(self.place(name) / MADE)

    def keep(self, name: str, make: Callable[[Path], Made]) -> bool:
        """Has a variant made, whole or not at all, unless it is here undamaged; says whether it was.

        Args:
            name: of the variant.
            make: writes it into a folder.
        """
        place = self.place(name)
        if place.exists():
            if _whole(place):
                return True
            print(f"What is kept of {name} is damaged; it is made again.", flush=True)
        with whole_folder(place) as folder:
            make(folder).write(folder / MADE)
            write_json(folder / SUMS, _sums(folder))
        shutil.rmtree(self.state(name), ignore_errors=True)
        return False

    def clear(self) -> None:
        """Removes what no variant of this params.yaml needs."""
        for folder in self.folder.iterdir():
            if folder.name not in self.keys.values():
                shutil.rmtree(folder)
