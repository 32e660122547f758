from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.compress.choice import choose, refusal
from components.compress.run import run
from components.contracts import (
    COMPRESSED,
    PREPARED,
    TRAINED,
    ClassTarget,
    Compressed,
    Latency,
    Preprocessing,
    ValueTarget,
    Variant,
)
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx
from components.inference import latencies, open_graph
from components.nets import build_network, build_preprocess
from components.params import Params, load_params
from components.params.sections import CnnParams
from components.settings import Settings
from tests.components.nets_samples import IMAGES, NETWORKS, network, raw_samples
from tests.digits import SIDE, digit_images, write_prepared
from tests.places import REPOSITORY

CLASSES = ClassTarget(labels=("a", "b"), counts=(1, 1))
CNN = CnnParams(name="cnn", filters=(8, 8), dense=(32, 16), activation="relu", batch_norm=False, dropout=0.0)


def prepare(root: Path) -> Params:
    """A workspace with a network that knows the digits, trained here in a few steps."""
    write_prepared(root)
    params = load_params(REPOSITORY / "presets" / "digits.yaml")
    params = params.model_copy(update={"train": params.train.model_copy(update={"network": CNN})})
    torch.manual_seed(0)
    fitted = Preprocessing.read(root / PREPARED / "preprocessing.json")
    network, preprocess = build_network(params.train, fitted.inputs, 10), build_preprocess(fitted.inputs)
    images, labels = digit_images()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    inputs, targets = preprocess(torch.from_numpy(images[:1300])), torch.from_numpy(labels[:1300])
    for step in range(100):
        chosen = torch.arange(1300)[step % 10 :: 10]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
        optimizer.step()
    (root / TRAINED).mkdir(parents=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, root / TRAINED / "best.safetensors")
    return params


def test_run_measures_both_graphs_and_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = prepare(tmp_path)
    run(params, Settings(threads=1))
    compressed = Compressed.read(COMPRESSED / "compressed.json")
    fp32, int8 = compressed.variants
    assert compressed.parity_difference < 1e-4
    assert fp32.validation_score > 0.8
    assert int8.bytes == (COMPRESSED / "int8.onnx").stat().st_size < fp32.bytes
    assert abs(fp32.validation_score - int8.validation_score) < 0.05
    kinds = {node.op_type for node in onnx.load(COMPRESSED / "int8.onnx").graph.node}
    assert "QuantizeLinear" in kinds
    initializers = onnx.load(COMPRESSED / "int8.onnx").graph.initializer
    weights = {tensor.data_type for tensor in initializers if list(tensor.dims[2:]) == [3, 3]}
    assert weights == {onnx.TensorProto.INT8}, "the convolutions are stored in eight bits"


@pytest.mark.parametrize("method", ["min_max", "entropy", "percentile"])
def test_every_calibration_finds_ranges_that_keep_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    params = prepare(tmp_path)
    quantization = params.compress.quantization.model_copy(update={"calibration": method})
    compress = params.compress.model_copy(update={"quantization": quantization, "latency_repeats": 10})
    run(params.model_copy(update={"compress": compress}), Settings(threads=1))
    fp32, int8 = Compressed.read(COMPRESSED / "compressed.json").variants
    assert fp32.validation_score - int8.validation_score < 0.05


def test_a_graph_that_differs_from_its_network_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = prepare(tmp_path)
    strict = params.model_copy(update={"compress": params.compress.model_copy(update={"max_parity_difference": 1e-12})})
    with pytest.raises(CompressionError, match="differs from the network"):
        run(strict, Settings(threads=1))
    assert not COMPRESSED.exists(), "nothing is left of a failed compression"


def test_a_network_whose_answers_are_not_numbers_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = prepare(tmp_path)
    weights = load_file(TRAINED / "best.safetensors")
    save_file({name: tensor * float("nan") for name, tensor in weights.items()}, TRAINED / "best.safetensors")
    with pytest.raises(CompressionError, match="differs from the network by nan"):
        run(params, Settings(threads=1))


def variant(name: str, accuracy: float = 0.9, size: int = 1000, milliseconds: float = 1.0) -> Variant:
    latency = Latency(p50=milliseconds, p99=milliseconds)
    return Variant(
        name=name,
        file=f"{name}.onnx",
        bytes=size,
        validation_score=accuracy,
        latency_1=latency,
        latency_32=latency,
        refused=None,
    )


@pytest.mark.parametrize(
    ("int8", "words"),
    [
        (variant("int8", accuracy=0.89), "loses 1.00% of validation accuracy"),
        (variant("int8", milliseconds=1.5, size=300), "1.50 × the time of fp32"),
        (variant("int8", milliseconds=0.5, size=300), None),
    ],
)
def test_a_variant_slower_or_worse_than_allowed_is_not_chosen(int8: Variant, words: str | None) -> None:
    budget = load_params(REPOSITORY / "params.yaml").compress
    budget = budget.model_copy(update={"max_score_drop": 0.005, "max_latency_ratio": 1.0})
    fp32 = variant("fp32")
    reason = refusal(int8, fp32, budget, CLASSES)
    chosen, why = choose([fp32, int8.model_copy(update={"refused": reason})], {}, CLASSES)
    if words is None:
        assert reason is None
        assert chosen.name == "int8"
        assert "3.3 × smaller and 2.00 × as fast" in why
    else:
        assert words in reason
        assert chosen.name == "fp32"
        assert words in why


def test_a_variant_that_could_not_be_made_is_told() -> None:
    chosen, why = choose([variant("fp32")], {"int8": "the quantizer knows no such operator"}, CLASSES)
    assert chosen.name == "fp32"
    assert "int8: the quantizer knows no such operator" in why


def test_of_values_the_drop_is_one_of_r2() -> None:
    budget = load_params(REPOSITORY / "params.yaml").compress.model_copy(update={"max_score_drop": 0.005})
    values = ValueTarget(name="price", mean=0.0, std=1.0, low=-1.0, high=1.0)
    reason = refusal(variant("int8", accuracy=0.8925), variant("fp32"), budget, values)
    assert reason == "it loses 0.0075 of validation R²; compress.max_score_drop allows 0.0050"


def test_latencies_are_measured_in_turn(tmp_path: Path) -> None:
    served = ServedNetwork(build_preprocess(IMAGES), network(NETWORKS["cnn"][0], IMAGES), CLASSES).eval()
    samples = raw_samples(IMAGES, 5).numpy()
    export_onnx(served, samples, tmp_path / "m.onnx")
    sessions = {"a": open_graph(tmp_path / "m.onnx"), "b": open_graph(tmp_path / "m.onnx")}
    measured = latencies(sessions, dict.fromkeys(sessions, samples), 4, 20)
    assert measured.keys() == {"a", "b"}
    assert all(0 < latency.p50 <= latency.p99 for latency in measured.values())


class Listener:
    """A graph that takes down what it is given."""

    def __init__(self) -> None:
        self.shapes: set[tuple[int, ...]] = set()

    def run(self, names: None, feed: dict[str, np.ndarray]) -> None:
        self.shapes.add(feed["inputs"].shape)


def test_a_batch_is_full_where_there_are_fewer_samples() -> None:
    listener = Listener()
    latencies({"a": listener}, {"a": digit_images()[0][:5]}, 32, 1)  # type: ignore[dict-item]
    assert listener.shapes == {(32, SIDE, SIDE, 1)}
