from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from components.compress.half_weights import SMALLEST, halve_weights
from components.compress.int8 import StaticQuantizer, quantize_dynamically
from components.compress.sensitivity import scan, shift_of
from components.contracts import ClassTarget, TextInputs, ValueTarget
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx
from components.inference import answers, open_graph
from components.nets import build_preprocess
from components.params.sections import StaticInt8Params
from tests.components.nets_samples import NETWORKS, network, raw_samples

TARGET = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))
PLAIN = StaticInt8Params(
    of="fp32", name="static_int8", calibration="min_max", calibration_samples=64, max_layer_shift=None
)


def exported(name: str, folder: Path) -> tuple[Path, np.ndarray]:
    """The graph of an untrained network, and samples for it."""
    params, inputs = NETWORKS[name]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), TARGET).eval()
    samples = raw_samples(inputs, 64).numpy()
    export_onnx(served, samples, folder / "fp32.onnx")
    return folder / "fp32.onnx", samples


def weight_types(graph: Path) -> set[int]:
    weights = (tensor for tensor in onnx.load(graph).graph.initializer if len(tensor.dims) in (2, 4))
    return {tensor.data_type for tensor in weights if np.prod(tensor.dims) >= SMALLEST}


@pytest.mark.parametrize("name", ["cnn", "gru", "transformer"])
def test_the_eight_bit_graph_answers_nearly_as_the_graph_at_any_batch_size(name: str, tmp_path: Path) -> None:
    source, samples = exported(name, tmp_path)
    StaticQuantizer(source, tmp_path, samples, PLAIN).write(tmp_path / "int8.onnx")
    fp32, int8 = (open_graph(tmp_path / f"{each}.onnx") for each in ("fp32", "int8"))
    for batch in (1, 5):
        np.testing.assert_allclose(answers(int8, samples, batch), answers(fp32, samples, batch), atol=0.1)


@pytest.mark.parametrize("method", ["min_max", "entropy", "percentile"])
def test_every_calibration_finds_ranges_that_keep_the_answers(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, samples = exported("cnn", tmp_path)
    params = PLAIN.model_copy(update={"calibration": method})
    StaticQuantizer(source, tmp_path, samples, params).write(tmp_path / "int8.onnx")
    assert capsys.readouterr().out == "", "the library's own words stay away"
    fp32, int8 = (open_graph(tmp_path / f"{each}.onnx") for each in ("fp32", "int8"))
    np.testing.assert_allclose(answers(int8, samples), answers(fp32, samples), atol=0.15)
    assert TensorProto.INT8 in weight_types(tmp_path / "int8.onnx")


@pytest.mark.parametrize("method", ["entropy", "min_max"])
def test_texts_of_different_lengths_and_a_last_short_batch_are_calibrated(tmp_path: Path, method: str) -> None:
    inputs = NETWORKS["transformer"][1]
    source, _ = exported("transformer", tmp_path)
    samples = raw_samples(inputs, 100).numpy()
    assert isinstance(inputs, TextInputs)
    samples[:64, 4:] = inputs.padding  # the first batch is trimmed, the second is not
    StaticQuantizer(source, tmp_path, samples, PLAIN.model_copy(update={"calibration": method})).write(
        tmp_path / "int8.onnx"
    )
    fp32, int8 = (open_graph(tmp_path / f"{each}.onnx") for each in ("fp32", "int8"))
    np.testing.assert_allclose(answers(int8, samples), answers(fp32, samples), atol=0.1)


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer", "mlp on rows"])
def test_dynamic_quantization_stores_eight_bits_and_keeps_the_answers(name: str, tmp_path: Path) -> None:
    source, samples = exported(name, tmp_path)
    quantize_dynamically(source, tmp_path / "dynamic.onnx")
    fp32, dynamic = (open_graph(tmp_path / f"{each}.onnx") for each in ("fp32", "dynamic"))
    np.testing.assert_allclose(answers(dynamic, samples), answers(fp32, samples), atol=0.1)
    assert weight_types(tmp_path / "dynamic.onnx") & {TensorProto.INT8, TensorProto.UINT8}


@pytest.mark.parametrize(("dtype", "code"), [("float16", TensorProto.FLOAT16), ("bfloat16", TensorProto.BFLOAT16)])
def test_half_weights_take_half_the_bytes(dtype: str, code: int, tmp_path: Path) -> None:
    source, samples = exported("mlp on images", tmp_path)
    halve_weights(source, tmp_path / "half.onnx", dtype)  # type: ignore[arg-type]
    fp32, half = (answers(open_graph(tmp_path / f"{each}.onnx"), samples) for each in ("fp32", "half"))
    np.testing.assert_allclose(half, fp32, atol=0.02)
    assert weight_types(tmp_path / "half.onnx") == {code}
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * source.stat().st_size


def test_a_weight_that_float16_cannot_hold_is_told(tmp_path: Path) -> None:
    source, _ = exported("mlp on images", tmp_path)
    model = onnx.load(source)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = onnx.numpy_helper.to_array(largest).copy()
    values[0, 0] = 1e6
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    onnx.save(model, source)
    with pytest.raises(CompressionError, match=r"float16 cannot hold\. Take bfloat16"):
        halve_weights(source, tmp_path / "half.onnx", "float16")
    halve_weights(source, tmp_path / "half.onnx", "bfloat16")


def test_the_scan_finds_the_layer_that_quantization_hurts(tmp_path: Path) -> None:
    source, samples = exported("cnn", tmp_path)
    model = onnx.load(source)
    dense = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == dense.input[1])
    values = onnx.numpy_helper.to_array(weight).copy()
    values[:, 0] *= 3000  # the steps of each output are now as large as all its other weights
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, source)
    quantizer = StaticQuantizer(source, tmp_path, samples, PLAIN)
    shifts = scan(quantizer, samples, TARGET, tmp_path)
    assert shifts[0].layer == dense.name
    assert {each.layer for each in shifts} == set(quantizer.layers)
    assert [each.shift for each in shifts] == sorted((each.shift for each in shifts), reverse=True)


def test_a_layer_that_is_left_out_stays_in_float(tmp_path: Path) -> None:
    source, samples = exported("mlp on images", tmp_path)
    quantizer = StaticQuantizer(source, tmp_path, samples, PLAIN)
    quantizer.write(tmp_path / "all.onnx")
    quantizer.write(tmp_path / "some.onnx", quantizer.layers[:1])
    assert weight_types(tmp_path / "all.onnx") == {TensorProto.INT8}
    assert weight_types(tmp_path / "some.onnx") == {TensorProto.INT8, TensorProto.FLOAT}


def test_ranges_that_are_found_once_are_those_of_every_graph(tmp_path: Path) -> None:
    source, samples = exported("cnn", tmp_path)
    quantizer = StaticQuantizer(source, tmp_path, samples, PLAIN)
    quantizer.write(tmp_path / "some.onnx", quantizer.layers[1:])
    quantizer.write(tmp_path / "after.onnx")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    StaticQuantizer(source, fresh, samples, PLAIN).write(fresh / "int8.onnx")
    assert (tmp_path / "after.onnx").read_bytes() == (fresh / "int8.onnx").read_bytes()


def test_a_shift_is_one_of_probabilities_or_of_deviations() -> None:
    moved = shift_of(np.array([[0.5, 0.5, 0.0]]), np.array([[0.7, 0.2, 0.1]]), TARGET)
    assert moved == pytest.approx(0.3)
    price = ValueTarget(name="price", mean=0.0, std=4.0, low=-1.0, high=1.0)
    assert shift_of(np.array([[1.0], [5.0]]), np.array([[2.0], [5.0]]), price) == pytest.approx(0.125)
