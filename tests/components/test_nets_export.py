from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from components.compress.export import ServedNetwork, export_onnx
from components.contracts import ClassTarget, Inputs
from components.nets import build_preprocess
from components.params.sections import NetworkParams
from tests.components.nets_samples import NETWORKS, network, raw_samples

TARGET = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))


@pytest.mark.parametrize(("params", "inputs"), NETWORKS.values(), ids=NETWORKS)
def test_graph_answers_as_the_network_at_any_batch_size(params: NetworkParams, inputs: Inputs, tmp_path: Path) -> None:
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), TARGET).eval()
    export_onnx(served, raw_samples(inputs, 2).numpy(), tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx")
    for batch in (1, 3, 64):
        samples = raw_samples(inputs, batch)
        for answers, expected in zip(session.run(None, {"inputs": samples.numpy()}), served(samples), strict=True):
            np.testing.assert_allclose(answers, expected.detach().numpy(), atol=1e-5)
    operators = {node.op_type for node in onnx.load(tmp_path / "graph.onnx").graph.node}
    assert not {"Dropout", "Bernoulli", "RandomUniform", "RandomUniformLike", "Loop", "Scan", "If"} & operators
    assert session.get_inputs()[0].shape[1:] == list(inputs.shape)
