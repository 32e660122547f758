"""One small line a kind of inputs: a preset of the repository, shrunk, on data that need no network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.digits import write_image_folder
from tests.line.tables import write_docstrings, write_nuclei

Changes = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """What a line is made from.

    Attributes:
        name: of the kind of inputs.
        preset: in ``presets/``.
        changes: the values of a section that are not the preset's; sections in sections.
        data: where the data are put.
        write_data: puts them there.
    """

    name: str
    preset: str
    changes: Changes
    data: str
    write_data: Callable[[Path], None]

    def prepare(self, root: Path) -> None:
        """Writes ``params.yaml`` and the data into a clone."""
        yaml = YAML()
        params = yaml.load(root / f"presets/{self.preset}.yaml")
        _update(params, self.changes)
        yaml.dump(params, root / "params.yaml")
        self.write_data(root / self.data)


def _update(section: Any, changes: Changes) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            _update(section[key], value)
        else:
            section[key] = value


IMAGES = Kind("images", "digits", {}, "data/digits", write_image_folder)
TEXTS = Kind(
    "texts",
    "gru-sms-spam",
    {
        "name": "docstrings",
        "fetch": {"dataset": "none"},
        "ingest": {"source": {"path": "data/docstrings", "train": "docstrings.csv", "label": "subject"}},
        "prepare": {"tokenizer": {"vocabulary": 2000}, "length": 32},
        "train": {"epochs": 5, "averaging": {"decay": 0.98}},
        "compress": {"latency_repeats": 20},
    },
    "data/docstrings",
    write_docstrings,
)
ROWS = Kind(
    "rows",
    "mlp-diamonds",
    {
        "name": "nuclei",
        "fetch": {"dataset": "none"},
        "ingest": {
            "source": {
                "path": "data/nuclei",
                "train": "nuclei.csv",
                "target": "area",
                "numeric": ["radius", "texture", "smoothness", "concavity"],
                "categorical": ["diagnosis"],
            }
        },
        "validate": {"min_samples": 300},
        "train": {"network": {"dense": [64, 64]}, "batch_size": 32, "averaging": {"decay": 0.98}},
        "compress": {"latency_repeats": 20},
        "evaluate": {"baseline": "linear_regression"},
    },
    "data/nuclei",
    write_nuclei,
)
KINDS = {kind.name: kind for kind in (IMAGES, TEXTS, ROWS)}
