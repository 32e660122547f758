"""What a whole run of the line leaves behind, made in no time: records, a graph, a package's parts, a true dvc.lock."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from safetensors.numpy import save_file

from components.contracts import (
    COMPRESSED,
    EVALUATED,
    INGESTED,
    INPUTS,
    PREPARED,
    REPORTS,
    SAMPLES,
    TRAINED,
    VALIDATED,
    Compressed,
    Ingested,
    IngestedImages,
    TrainedModel,
)
from components.files import write_json, write_text
from components.lineage import code_tree, tree_digest
from components.params import Params, parse_params
from tests.package_factory import (
    DIGITS,
    SIDE,
    TRAINED_ON,
    evaluate_graph,
    fitted,
    held_out,
    make_graph,
    write_model_parts,
)
from tests.places import REPOSITORY
from tests.variants import make_compressed, make_variant

STAGES = {
    "validate": [VALIDATED],
    "train": [TRAINED],
    "compress": [COMPRESSED],
    "evaluate": [EVALUATED, REPORTS / "evaluate"],
}


def make_line(
    root: Path, *, name: str = "digits", bias: float = 0.0, labels: tuple[str, ...] = DIGITS, run_id: str = "0" * 32
) -> Params:
    """Writes the outputs of a line that trained the classifier of :mod:`tests.package_factory`.

    Called again with another ``bias``, it is the line after another training.
    """
    params = _params(root, name)
    samples = held_out(labels)
    samples.save(root / PREPARED / "test")
    _write_records(root, labels, run_id)
    graph = root / COMPRESSED / "fp32.onnx"
    make_graph(graph, bias=bias, labels=labels)
    _compressed(graph).write(root / COMPRESSED / "compressed.json")
    save_file({"bias": np.array([bias], dtype=np.float32)}, root / TRAINED / "best.safetensors")
    (root / EVALUATED).mkdir(parents=True, exist_ok=True)
    write_model_parts(root / EVALUATED, graph, labels)
    evaluate_graph(graph, labels).write(root / EVALUATED / "evaluated.json")
    write_text(root / REPORTS / "evaluate" / "report.html", f"<p>bias {bias}</p>")
    write_lock(root, params)
    return params


def write_lock(root: Path, params: Params) -> None:
    """Writes dvc.yaml and the dvc.lock that DVC would write for the files as they are."""
    graph = {name: {"cmd": "true", "outs": [out.as_posix() for out in outs]} for name, outs in STAGES.items()}
    digest = {out: tree_digest(code_tree(root / out)) for outs in STAGES.values() for out in outs}
    lock: dict[str, dict[str, object]] = {
        name: {"cmd": "true", "outs": [{"path": out.as_posix(), "hash": "md5", "md5": digest[out]} for out in outs]}
        for name, outs in STAGES.items()
    }
    lock["compress"]["deps"] = [{"path": TRAINED.as_posix(), "hash": "md5", "md5": digest[TRAINED]}]
    lock["train"]["deps"] = [read_file(root, PREPARED / "preprocessing.json")]
    lock["evaluate"]["deps"] = [read_file(root, INGESTED / "ingested.json")]
    lock["train"]["params"] = {"params.yaml": {"seed": params.seed, "train": params.train.model_dump(mode="json")}}
    yaml = YAML(typ="safe", pure=True)
    yaml.dump({"stages": graph}, root / "dvc.yaml")
    yaml.dump({"schema": "2.0", "stages": lock}, root / "dvc.lock")


def read_file(root: Path, path: Path) -> dict[str, str]:
    """A dependency of a stage that is one file, as dvc.lock has it."""
    digest = hashlib.md5((root / path).read_bytes(), usedforsecurity=False).hexdigest()
    return {"path": path.as_posix(), "hash": "md5", "md5": digest}


def _params(root: Path, name: str) -> Params:
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8").replace("name: fashion-mnist", f"name: {name}")
    write_text(root / "params.yaml", text)
    return parse_params(text)


def _write_records(root: Path, labels: tuple[str, ...], run_id: str) -> None:
    write_ingested(root, labels)
    fitted(labels).write(root / PREPARED / "preprocessing.json")
    TrainedModel(
        run_id=run_id,
        epochs=3,
        best_epoch=2,
        validation_score=0.9,
        parameters=650,
        environment={"python": "3.11.2", "torch": "2.13.0"},
        machine={"processor": "of the factory", "threads": "2"},
    ).write(root / TRAINED / "trained.json")
    write_json(root / VALIDATED / "profile.json", {"labels": [0.1] * len(labels)})


def write_ingested(root: Path, labels: tuple[str, ...] = DIGITS) -> None:
    """The held-out digits of some classes as the stage ``ingest`` leaves them, beside the number of the others."""
    samples = held_out(labels)
    (root / INGESTED).mkdir(parents=True, exist_ok=True)
    np.save(root / INPUTS, samples.inputs)
    names = [labels[label] for label in samples.labels]
    pd.DataFrame({"id": samples.ids, "label": names, "split": "test"}).to_parquet(root / SAMPLES)
    Ingested(
        content=IngestedImages(height=SIDE, width=SIDE, channels=1),
        labels=labels,
        label_name="digit",
        summaries=("brightness", "contrast"),
        samples={"train": TRAINED_ON, "validation": 0, "test": len(samples.labels)},
        quarantined={"duplicate": 3},
        own_test_split=True,
    ).write(root / INGESTED / "ingested.json")


def _compressed(graph: Path) -> Compressed:
    fp32 = make_variant("fp32", size=graph.stat().st_size, milliseconds=0.02)
    return make_compressed([fp32], "fp32", "fp32, because nothing else was tried")
