from pathlib import Path

import numpy as np
import pytest

from components.compress.quantize import quantize_int8
from components.contracts import ClassTarget
from components.export import ServedNetwork, export_onnx
from components.inference import answers, open_graph
from components.nets import build_preprocess
from components.params.sections import QuantizationParams
from tests.components.nets_samples import NETWORKS, network, raw_samples

TARGET = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))


@pytest.mark.parametrize("name", ["cnn", "gru", "transformer"])
def test_the_eight_bit_graph_answers_nearly_as_the_graph_at_any_batch_size(name: str, tmp_path: Path) -> None:
    params, inputs = NETWORKS[name]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), TARGET).eval()
    samples = raw_samples(inputs, 64).numpy()
    export_onnx(served, samples, tmp_path / "fp32.onnx")
    section = QuantizationParams(calibration="min_max", calibration_samples=64)
    quantize_int8(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", samples, section)
    fp32, int8 = (open_graph(tmp_path / f"{name}.onnx") for name in ("fp32", "int8"))
    for batch in (1, 5):
        np.testing.assert_allclose(answers(int8, samples, batch), answers(fp32, samples, batch), atol=0.1)
