from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from components.contracts import ClassTarget, Inputs, TextInputs
from components.export import ServedNetwork, export_onnx
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


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> tuple[ServedNetwork, Path]:
    """A network, and its graph."""
    params, inputs = NETWORKS["transformer"]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), TARGET).eval()
    graph = tmp_path_factory.mktemp("transformer") / "graph.onnx"
    export_onnx(served, raw_samples(inputs, 2).numpy(), graph)
    return served, graph


@pytest.mark.parametrize("lengths", [(10,), (1, 4), (0, 0), (2, 7, 3)], ids=str)
def test_attention_costs_what_the_longest_text_of_the_batch_takes(
    lengths: tuple[int, ...], transformer: tuple[ServedNetwork, Path]
) -> None:
    served, graph = transformer
    _, inputs = NETWORKS["transformer"]
    assert isinstance(inputs, TextInputs)
    samples = raw_samples(inputs, len(lengths))
    for sample, length in zip(samples, lengths, strict=True):
        sample[:length], sample[length:] = 7, inputs.padding
    samples[:, 1] = inputs.padding  # as of a text that names the token itself
    answers, _, weights = _with_attention_weights(graph).run(None, {"inputs": samples.numpy()})
    np.testing.assert_allclose(answers, served(samples)[0].detach().numpy(), atol=1e-5)
    assert weights.shape[2:] == (max(2, *lengths),) * 2


def _with_attention_weights(graph: Path) -> onnxruntime.InferenceSession:
    """The graph, with the first softmax as a third output."""
    model = onnx.load(graph)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(softmax.output[0]))
    return onnxruntime.InferenceSession(model.SerializeToString())
