"""A checkpoint of one's own through the line: fetch, prepare, train, export, package, and a server's answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from ruamel.yaml import YAML
from safetensors.numpy import save_file
from safetensors.torch import load
from torch import Tensor
from transformers import AutoTokenizer

from components.contracts import (
    AUGMENTED,
    CONTENT,
    INGESTED,
    PREPARED,
    SAMPLES,
    TOKENIZER,
    VALIDATED,
    Ingested,
    IngestedTexts,
    LabelledArrays,
    Preprocessing,
    Verdict,
)
from components.export import ServedNetwork, export_onnx, torch_answers
from components.fetch.run import run as fetch
from components.files import file_sha256, write_bytes
from components.nets import build_network, build_preprocess
from components.package.model import MODEL, WEIGHTS
from components.params import Params, load_params
from components.prepare.run import run as prepare
from components.settings import Settings
from components.train.history import History
from components.train.run import BEST, fingerprint, fit, network_weights
from serving.decoding import Limits
from serving.model import ServedModel, load_model
from tests.checkpoints import TEXTS, save_bert
from tests.places import REPOSITORY
from tests.row_package import finish_package
from tests.text_package import LABELS, SENTENCES, evaluate_texts

LENGTH = 24
OWN = Path("data/checkpoints/tiny")
UNSEEN = ["A wonderful price, but late. [SEP] 日本語", "x"]


def write_params() -> Params:
    """The preset of a pretrained encoder, for a checkpoint of one's own and two short epochs."""
    yaml = YAML(typ="safe", pure=True)
    document: dict[str, Any] = yaml.load(REPOSITORY / "presets" / "minilm-sms-spam.yaml")
    document["fetch"] = {"dataset": "none", "weights": OWN.as_posix()}
    document["prepare"] = {"tokenizer": {"name": "checkpoint", "checkpoint": "data/fetched/tiny"}, "length": LENGTH}
    document["train"]["network"] |= {"checkpoint": "data/fetched/tiny", "frozen_epochs": 1, "backbone_rate": 0.5}
    document["train"] |= {"epochs": 2, "batch_size": 4, "accelerator": "cpu", "early_stopping": None}
    yaml.dump(document, Path("params.yaml"))
    return load_params()


def write_validated() -> None:
    """The sentences as ingest and validate leave them."""
    labels = [label for label, texts in SENTENCES.items() for _ in texts]
    split = (["train"] * 4 + ["validation", "test"]) * len(LABELS)
    INGESTED.mkdir(parents=True)
    pq.write_table(pa.table({"text": pa.array(TEXTS, pa.large_string())}), CONTENT)
    ids = [f"{number:016x}" for number in range(len(TEXTS))]
    pd.DataFrame({"id": ids, "label": labels, "split": split}).to_parquet(SAMPLES)
    Ingested(
        content=IngestedTexts(),
        labels=LABELS,
        label_name="label",
        summaries=(),
        samples={"train": 8, "validation": 2, "test": 2},
        quarantined={},
        own_test_split=False,
    ).write(INGESTED / "ingested.json")
    Verdict(samples_sha256=file_sha256(SAMPLES), expectations=1).write(VALIDATED / "verdict.json")


class Backbones(Callback):
    """The weights of the backbone as each epoch begins, and at the end."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._keep(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._keep(pl_module)

    def _keep(self, module: Any) -> None:
        self.seen.append({name: value.clone() for name, value in module.network.backbone.state_dict().items()})


def trained(params: Params, fitted: Preprocessing, state: Path) -> ServedNetwork:
    """Trains, and checks that the backbone stays as the checkpoint has it for an epoch, and learns then."""
    AUGMENTED.mkdir(parents=True)
    np.save(AUGMENTED / "order.npy", np.arange(8))
    backbones = Backbones()
    fit(params, fitted, state, [History(), backbones])
    first, second, last = backbones.seen
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(second[name], last[name]) for name in first)
    network = build_network(params.train, fitted.inputs, fitted.target.width)
    network.load_state_dict(load(network_weights(state / BEST)))
    return ServedNetwork(build_preprocess(fitted.inputs), network, fitted.target).eval()


def decoded(model: ServedModel, text: str) -> NDArray[Any]:
    """A text as the server's decoder gives it to the graph."""
    body = json.dumps({"inputs": text}).encode()
    reading = model.decoder.reading("application/json", body, Limits(max_batch=8, max_pixels=1, single=True))
    assert reading
    return reading.decode(body)


def test_an_own_checkpoint_goes_from_its_folder_to_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=tmp_path / "home")
    save_bert(OWN)
    write_validated()
    params = write_params()
    fetch(params, settings)
    prepare(params, settings)
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    served = trained(params, fitted, tmp_path / "state")

    package = tmp_path / "package"
    package.mkdir()
    validation, test = (LabelledArrays.load(PREPARED / split) for split in ("validation", "test"))
    export_onnx(served, validation.inputs, package / MODEL)
    write_bytes(package / TOKENIZER, (PREPARED / TOKENIZER).read_bytes())
    save_file({"none": np.zeros(1, np.float32)}, package / WEIGHTS)
    finish_package(package, settings, "text_classification", fitted, test, evaluate_texts(package / MODEL, test))
    model = load_model(package, 1, settings.public_keys, max_batch=8)

    own = AutoTokenizer.from_pretrained(OWN)
    asked = [*TEXTS, *UNSEEN]
    ids = own(asked, truncation=True, max_length=LENGTH, padding="max_length", split_special_tokens=True).input_ids
    expected = torch_answers(served, np.array(ids, np.int32))
    answers = [model.infer(decoded(model, text)).answers[0] for text in asked]
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert len(np.unique(expected.round(6), axis=0)) == len(asked), "different texts, different answers"


def test_another_content_of_the_same_checkpoint_is_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_bert(OWN)
    write_validated()
    params = write_params()
    fetch(params, Settings(home=tmp_path / "home"))
    prepare(params, Settings(home=tmp_path / "home"))
    AUGMENTED.mkdir(parents=True)
    np.save(AUGMENTED / "order.npy", np.arange(8))
    before = fingerprint(params)
    assert fingerprint(params) == before
    weights = Path("data/fetched/tiny/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert fingerprint(params) != before
