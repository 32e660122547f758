import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.compress.making import PLAIN, Made, Shelf, keys_of
from components.compress.measuring import class_scores
from components.compress.memory import peak_memory
from components.compress.run import run
from components.compress.techniques import calibration_samples
from components.contracts import (
    COMPRESSED,
    PREPARED,
    REPORTS,
    TRAINED,
    ClassTarget,
    Compressed,
    LabelledArrays,
    ValueTarget,
)
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx
from components.inference import latencies, open_graph
from components.nets import build_preprocess
from components.params import Params
from components.params.sections import EmaParams
from components.settings import Settings
from tests.components.nets_samples import IMAGES, NETWORKS, network, raw_samples
from tests.components.trainings import PATIENCE
from tests.digits import SIDE, digit_images
from tests.places import REPOSITORY
from tests.trained_digits import static_int8, training, with_variants, write_trained

CLASSES = ClassTarget(labels=("a", "b"), counts=(1, 1))


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A network that knows the digits, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_trained(tmp_path)


def compressed(params: Params, variants: dict[str, dict[str, Any]], **changes: Any) -> Compressed:
    """What the stage leaves, quickly measured."""
    run(with_variants(params, variants, latency_repeats=10, **changes), Settings(threads=1))
    return Compressed.read(COMPRESSED / "compressed.json")


def shapes(name: str) -> list[list[int]]:
    """Of the weights in an exported file."""
    return [list(each.dims) for each in onnx.load(COMPRESSED / f"{name}.onnx").graph.initializer if len(each.dims) > 1]


def test_run_measures_both_graphs_and_chooses(params: Params) -> None:
    fp32, int8 = compressed(params, {"int8": static_int8()}).variants
    assert fp32.parity_difference is not None
    assert fp32.parity_difference < 1e-4
    assert fp32.validation_score > 0.8
    assert int8.graph.bytes == (COMPRESSED / "int8.onnx").stat().st_size < fp32.graph.bytes
    assert abs(fp32.validation_score - int8.validation_score) < 0.05
    initializers = onnx.load(COMPRESSED / "int8.onnx").graph.initializer
    weights = {tensor.data_type for tensor in initializers if list(tensor.dims[2:]) == [3, 3]}
    assert weights == {onnx.TensorProto.INT8}, "the convolutions are stored in eight bits"
    kept, trained = load_file(COMPRESSED / "weights.safetensors"), load_file(TRAINED / "best.safetensors")
    assert kept.keys() == trained.keys()
    assert all(torch.equal(kept[name], trained[name]) for name in kept), "int8 has the trained network behind it"
    page = (REPORTS / "compress" / "report.html").read_text()
    assert "The frontier" in page
    assert "static int8 of fp32" in page


@pytest.mark.slow
def test_every_technique_ends_in_a_graph_that_answers(params: Params) -> None:
    found = compressed(
        params,
        {
            "sparse": training("magnitude_pruning", initial_sparsity=0.1, sparsity=0.7, ramp_share=0.5, every_steps=3),
            "thin": training("channel_pruning", share=0.4, rounds=1, multiple_of=2),
            "thin_int8": static_int8(of="thin"),
            "flat": training("low_rank", energy=0.7),
            "rounded": training("quantization_aware_training"),
            "rounded_int8": static_int8(of="rounded", max_layer_shift=1.0),
            "taught": training("distillation", of="thin", student={"kind": "same"}, temperature=4.0, label_share=0.3,
                               feature_weight=1.0),
            "student": training("distillation", student={"kind": "shrunk", "factor": 4.0}, temperature=4.0,
                                label_share=0.3, feature_weight=0.0),
            "dynamic": {"of": "fp32", "name": "dynamic_int8"},
            "half": {"of": "student", "name": "half_weights", "dtype": "bfloat16"},
        },
    )  # fmt: skip
    by_name = {variant.name: variant for variant in found.variants}
    assert not found.unmade
    fp32 = by_name["fp32"]
    assert by_name["sparse"].graph.nonzero_parameters == pytest.approx(0.3 * fp32.graph.parameters, rel=0.02)
    assert by_name["sparse"].graph.deflated_bytes < 0.6 * fp32.graph.deflated_bytes
    assert by_name["thin"].graph.multiply_adds < 0.6 * fp32.graph.multiply_adds
    assert max(map(max, shapes("thin"))) < max(map(max, shapes("fp32")))
    assert shapes("taught") == shapes("thin")
    assert by_name["flat"].graph.parameters < fp32.graph.parameters
    assert by_name["student"].graph.parameters <= fp32.graph.parameters / 4
    assert list(found.sensitivity) == ["rounded_int8"]
    assert by_name["dynamic"].company_difference > 0, "one range for a whole batch"
    assert {node.op_type for node in onnx.load(COMPRESSED / "rounded.onnx").graph.node} == {
        node.op_type for node in onnx.load(COMPRESSED / "fp32.onnx").graph.node
    }, "nothing of the training is left in the graph"
    for variant in found.variants:
        assert variant.validation_score > 0.15, f"{variant.name} has forgotten everything"
        assert 0 < variant.latency.batch_1.p50 <= variant.latency.batch_1.p99
        assert variant.peak_memory_bytes > 1_000_000
        assert variant.company_difference <= 1e-5 or variant.name == "dynamic"
        assert variant.class_scores is not None
        assert np.mean(variant.class_scores) == pytest.approx(variant.validation_score, abs=0.05)


def test_a_second_run_makes_only_what_has_changed(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    thin = training("channel_pruning", share=0.4, rounds=1, multiple_of=2)
    first = compressed(params, {"thin": thin, "int8": static_int8(of="thin")})
    capsys.readouterr()
    second = compressed(params, {"thin": thin, "int8": static_int8(of="thin", calibration="entropy")})
    said = capsys.readouterr().out.splitlines()
    assert said[said.index("Variant 1 of 2: thin, channel_pruning of fp32.") + 1] == "It is there from before."
    assert said[said.index("Variant 2 of 2: int8, static_int8 of thin.") + 1] != "It is there from before."
    assert first.variants[1].graph == second.variants[1].graph
    kept = [folder.name for folder in (Settings().home / "compress").iterdir()]
    assert sorted(kept) == sorted(keys_of(with_variants(params, {"thin": thin, "int8": static_int8(
        of="thin", calibration="entropy")})).values()), "what nobody needs any more is gone"  # fmt: skip


def test_a_key_follows_from_all_that_a_variant_follows_from(params: Params) -> None:
    thin = training("channel_pruning", share=0.4, rounds=1, multiple_of=2)
    half = {"of": "fp32", "name": "half_weights", "dtype": "float16"}
    variants = {"thin": thin, "int8": static_int8(of="thin"), "half": half}
    before = keys_of(with_variants(params, variants))
    other = keys_of(with_variants(params, variants | {"thin": thin | {"share": 0.3}}))
    assert {name for name in before if before[name] != other[name]} == {"thin", "int8"}
    weights = load_file(TRAINED / "best.safetensors")
    save_file({name: value + 1e-3 for name, value in weights.items()}, TRAINED / "best.safetensors")
    retrained = keys_of(with_variants(params, variants))
    assert all(before[name] != retrained[name] for name in before)


def test_a_variant_that_is_half_made_is_not_there(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, {"thin": "abc"})

    def fail(folder: Path) -> Any:
        (folder / "graph.onnx").write_bytes(b"half")
        raise CompressionError("it came to nothing")

    with pytest.raises(CompressionError):
        shelf.keep("thin", fail)
    assert not shelf.place("thin").exists()


@pytest.mark.parametrize("damaged", ["graph.onnx", "sums.json"])
def test_a_kept_variant_that_was_damaged_is_made_again(damaged: str, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, {"thin": "abc"})

    def make(folder: Path) -> Made:
        (folder / "graph.onnx").write_bytes(b"whole")
        return PLAIN

    assert not shelf.keep("thin", make)
    assert shelf.keep("thin", make), "it is there"
    (shelf.place("thin") / damaged).write_bytes(b"hole")
    assert not shelf.keep("thin", make)
    assert shelf.graph("thin").read_bytes() == b"whole"


def test_what_one_variant_cannot_do_is_told_and_the_others_are_made(params: Params) -> None:
    found = compressed(
        params,
        {
            "thin": training("channel_pruning", share=0.05, rounds=1, multiple_of=64),
            "thin_int8": static_int8(of="thin"),
            "int8": static_int8(),
        },
    )
    assert "finds no channels that could go" in found.unmade["thin"]
    assert found.unmade["thin_int8"] == "there is no thin to make it of"
    assert [variant.name for variant in found.variants] == ["fp32", "int8"]
    assert "Not made: there is no thin to make it of." in (REPORTS / "compress" / "report.html").read_text()


def test_where_nothing_keeps_the_budget_fp32_is_chosen_in_words(params: Params) -> None:
    budget = {
        "max_score_drop": 0.02, "max_class_drop": None, "max_bytes": 1000, "max_latency_ratio": 1.0,
        "max_latency_ms": None,
    }  # fmt: skip
    found = compressed(params, {"int8": static_int8()}, budget=budget)
    assert found.chosen == "fp32"
    assert not found.within_budget
    assert "no compressed variant keeps the budget (int8: it has" in found.reason
    assert "No variant keeps the budget" in (REPORTS / "compress" / "report.html").read_text()


def test_a_graph_that_differs_from_its_network_is_an_error(params: Params) -> None:
    with pytest.raises(CompressionError, match="differs from the network"):
        compressed(params, {"int8": static_int8()}, max_parity_difference=1e-12)
    assert not COMPRESSED.exists(), "nothing is left of a failed compression"


def test_a_network_whose_answers_are_not_numbers_is_an_error(params: Params) -> None:
    weights = load_file(TRAINED / "best.safetensors")
    save_file({name: tensor * float("nan") for name, tensor in weights.items()}, TRAINED / "best.safetensors")
    with pytest.raises(CompressionError, match="differs from the network by nan"):
        compressed(params, {"int8": static_int8()})


def test_the_ranges_are_found_on_training_samples_alone(params: Params) -> None:
    train = {sample.tobytes() for sample in LabelledArrays.load(PREPARED / "train").inputs}
    chosen = calibration_samples(100, seed=3)
    assert len(chosen) == 100
    assert all(sample.tobytes() in train for sample in chosen)
    assert np.array_equal(chosen, calibration_samples(100, seed=3))
    assert not np.array_equal(chosen, calibration_samples(100, seed=4))
    assert len(calibration_samples(100_000, seed=3)) == 1300


def test_no_graph_tells_of_this_machine(params: Params) -> None:
    compressed(params, {"int8": static_int8()})
    for graph in COMPRESSED.glob("*.onnx"):
        assert str(REPOSITORY).encode() not in graph.read_bytes()
        assert b"stack_trace" not in graph.read_bytes()


ENTRY = "from components.compress.run import run\nfrom components.stage import run_stage\nrun_stage('compress', run)"
GRAPH = """
stages:
  compress:
    cmd: exec python -m components.compress
    deps: [data/prepared, data/augmented, models/train]
    params: [name, task, seed, augment, train, compress]
    outs: [models/compress, reports/compress]
"""


def start(root: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", "TUNESMITH_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY],
        cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_killed_in_a_training_it_goes_on_with_what_was_finished(tmp_path: Path) -> None:
    variants = {
        "thin": training("channel_pruning", share=0.4, rounds=2, multiple_of=2, epochs=2),
        "taught": training("distillation", of="thin", student={"kind": "same"}, temperature=4.0, label_share=0.3,
                           feature_weight=1.0, epochs=6),
        "sparse": training("magnitude_pruning", initial_sparsity=0.1, sparsity=0.7, ramp_share=0.5, every_steps=3,
                           epochs=6),
        "rounded": training("quantization_aware_training", epochs=6),
    }  # fmt: skip
    roots = [tmp_path / "whole", tmp_path / "killed"]
    for root in roots:
        params = with_variants(write_trained(root), variants, latency_repeats=10)
        ema = params.train.model_copy(
            update={"averaging": EmaParams(name="ema", decay=0.9), "checkpoint_every_steps": 5}
        )
        params = params.model_copy(update={"train": ema})
        (root / "params.yaml").write_text(json.dumps(params.model_dump(mode="json", by_alias=True)))
        (root / "dvc.yaml").write_text(GRAPH)
    whole, killed = roots
    assert start(whole).communicate()[0].count("It is there from before") == 0
    lines: list[str] = []
    for variant, wanted in (
        ("1 of 4", "Round 2"),
        ("2 of 4", "epoch 2/6"),
        ("3 of 4", "epoch 2/6"),
        ("4 of 4", "epoch 2/6"),
    ):
        process = start(killed)
        assert process.stdout
        begun = False
        for line in process.stdout:
            lines.append(line)
            begun = begun or line.startswith(f"Variant {variant}")
            if begun and line.startswith(wanted):
                break
        time.sleep(0.15)  # into the next epoch
        process.send_signal(signal.SIGKILL)
        process.wait()
    rest, _ = start(killed).communicate(timeout=PATIENCE)
    assert rest.count("It is there from before.") == 3, rest
    assert ("".join(lines) + rest).count("Going on after step") >= 3
    ends = [Compressed.read(root / COMPRESSED / "compressed.json") for root in roots]
    for one, other in zip(ends[0].variants, ends[1].variants, strict=True):
        assert (one.name, one.graph, one.validation_score) == (other.name, other.graph, other.validation_score)
        graphs = [(root / COMPRESSED / one.file).read_bytes() for root in roots]
        assert graphs[0] == graphs[1], f"{one.name} differs from one that was not killed"
    assert not list((killed / ".tunesmith" / "compress").glob("*.state"))


def test_recall_is_counted_class_by_class() -> None:
    given = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)
    assert class_scores(CLASSES, given, np.array([0, 1, 1, 0])) == (1.0, 0.5)
    values = ValueTarget(name="price", mean=0.0, std=1.0, low=-1.0, high=1.0)
    assert class_scores(values, given, np.array([0, 1, 1, 0])) is None


def test_memory_is_that_of_the_graph_and_not_of_the_runtime(tmp_path: Path) -> None:
    sizes = []
    for scale in (1, 64):
        model = onnx.helper.make_model(
            onnx.helper.make_graph(
                [onnx.helper.make_node("MatMul", ["inputs", "w"], ["answers"])],
                "g",
                [onnx.helper.make_tensor_value_info("inputs", onnx.TensorProto.FLOAT, ["batch", 512])],
                [onnx.helper.make_tensor_value_info("answers", onnx.TensorProto.FLOAT, ["batch", 256 * scale])],
                [onnx.numpy_helper.from_array(np.ones((512, 256 * scale), np.float32), "w")],
            ),
            opset_imports=[onnx.helper.make_opsetid("", 17)],
            ir_version=9,
        )
        onnx.save(model, tmp_path / "graph.onnx")
        np.save(tmp_path / "samples.npy", np.ones((32, 512), np.float32))
        sizes.append(peak_memory(tmp_path / "graph.onnx", tmp_path / "samples.npy"))
    assert sizes[1] - sizes[0] > 30_000_000, "33 MB more of weights"
    (tmp_path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(CompressionError, match=r"graph\.onnx cannot be measured"):
        peak_memory(tmp_path / "graph.onnx", tmp_path / "samples.npy")


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
    latencies({"a": listener}, {"a": digit_images()[0][:5]}, 32, 1)
    assert listener.shapes == {(32, SIDE, SIDE, 1)}
