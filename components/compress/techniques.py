"""From a technique of ``params.yaml`` to a variant: a changed network, exported, or a changed graph."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from components.compress.channel_pruning import prune_iteratively
from components.compress.distillation import Distilled
from components.compress.half_weights import halve_weights
from components.compress.int8 import StaticQuantizer, quantize_dynamically
from components.compress.low_rank import factorise
from components.compress.magnitude_pruning import prune_magnitudes
from components.compress.making import GRAPH, NETWORK, PLAIN, Made, Shelf
from components.compress.networks import kept_architecture, load_network, save_network
from components.compress.rounding import start_rounding, stop_rounding
from components.compress.sensitivity import scan
from components.compress.students import shrunk
from components.compress.training import Build, train_network
from components.contracts import PREPARED, TRAINED, LabelledArrays, Preprocessing, Target, ValueTarget
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx, torch_answers
from components.inference import answers, open_graph
from components.nets import Network, build_network, build_preprocess
from components.params import Params
from components.params.sections import (
    FP32,
    GRAPH_TECHNIQUES,
    ChannelPruningParams,
    DistillationParams,
    DynamicInt8Params,
    HalfWeightsParams,
    LowRankParams,
    MagnitudePruningParams,
    NetworkParams,
    QuantizationAwareParams,
    SameStudent,
    ShrunkStudent,
    StaticInt8Params,
    TechniqueParams,
    TrainingTechnique,
)
from components.train.learner import Learner

PARITY_SAMPLES = 1000


@dataclass(frozen=True)
class Techniques:
    """Makes the variants of one trained network.

    Attributes:
        params: the whole of params.yaml.
        fitted: what was fitted on the training split.
        shelf: where the variants are kept.
        validation: what parity is looked at on; never trained on, never calibrated on.
    """

    params: Params
    fitted: Preprocessing
    shelf: Shelf
    validation: LabelledArrays

    def make_fp32(self, folder: Path) -> Made:
        """Exports the trained network."""
        network = build_network(self.params.train, self.fitted.inputs, self.fitted.target.width)
        network.load_state_dict(load_file(TRAINED / "best.safetensors"))
        return self._export(network, self.params.train.network, folder)

    def make(self, name: str, folder: Path) -> Made:
        """Makes a variant of ``compress.variants``; what it starts from must be there.

        Raises:
            CompressionError: the technique cannot do it, or what it gives does not answer as it should.
            TrainingError: a training diverged.
        """
        technique = self.params.compress.variants[name]
        if isinstance(technique, GRAPH_TECHNIQUES):
            return self._change_graph(technique, self.shelf.graph(technique.of), folder)
        network, architecture = self._change_network(name, technique)
        return self._export(network, architecture, folder)

    def network(self, name: str) -> tuple[Network, NetworkParams]:
        """The network of a variant that has one, and what it was before its layers were changed."""
        place = self.shelf.place(name) / NETWORK
        return load_network(place, self.params, self.fitted), kept_architecture(place, self.params)

    def _change_network(self, name: str, technique: TechniqueParams) -> tuple[Network, NetworkParams]:
        network, architecture = self.network(technique.of)
        state = self.shelf.state(name)

        def trained(technique: TrainingTechnique, build: Build) -> Network:
            return train_network(self.params, technique, self.fitted, state, build)

        match technique:
            case MagnitudePruningParams():
                return prune_magnitudes(network, technique, self.params, self.fitted, state), architecture
            case ChannelPruningParams():
                example = self.example()
                pruned = prune_iteratively(network, architecture, technique, self.params, self.fitted, state, example)
                return pruned, architecture
            case LowRankParams():
                factorise(network, technique.energy)
                return trained(technique, partial(Learner, network=network)), architecture
            case QuantizationAwareParams():
                start_rounding(network)
                network = trained(technique, partial(Learner, network=network))
                stop_rounding(network)
                return network, architecture
            case DistillationParams():
                student, architecture = self._student(name, technique, network, architecture)
                teacher = self.network(FP32)[0]
                build = partial(Distilled, student=student, teacher=teacher, technique=technique)
                return trained(technique, build), architecture
        raise AssertionError(technique)

    def _student(
        self, name: str, technique: DistillationParams, network: Network, architecture: NetworkParams
    ) -> tuple[Network, NetworkParams]:
        match technique.student:
            case SameStudent():
                return network, architecture
            case ShrunkStudent(factor=factor):
                architecture = shrunk(self.params, self.fitted, factor)
            case stated:
                architecture = self.params.stated_student(name, stated)
        train = self.params.train.model_copy(update={"network": architecture})
        torch.manual_seed(self.params.seed)
        return build_network(train, self.fitted.inputs, self.fitted.target.width), architecture

    def example(self) -> torch.Tensor:
        """Two samples as a network takes them."""
        samples = self.validation.inputs[np.arange(2) % len(self.validation.inputs)]
        normalised: torch.Tensor = build_preprocess(self.fitted.inputs)(torch.from_numpy(samples))
        return normalised

    def _export(self, network: Network, architecture: NetworkParams, folder: Path) -> Made:
        """Writes graph and network, and holds the one against the other."""
        served = self.served(network)
        export_onnx(served, self.validation.inputs, folder / GRAPH)
        difference = parity_difference(served, folder / GRAPH, self.validation.inputs[:PARITY_SAMPLES])
        require_parity(difference, self.params.compress.max_parity_difference, self.fitted.target)
        save_network(network, architecture, folder / NETWORK)
        return PLAIN.model_copy(update={"parity_difference": difference})

    def served(self, network: Network) -> ServedNetwork:
        """The network with its preprocessing and its answer, ready to be exported."""
        return ServedNetwork(build_preprocess(self.fitted.inputs), network, self.fitted.target).eval()

    def _change_graph(self, technique: TechniqueParams, source: Path, folder: Path) -> Made:
        try:
            made = self._written(technique, source, folder)
            forget_shapes(folder / GRAPH)
            answers(open_graph(folder / GRAPH), self.validation.inputs[:1])
        except CompressionError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            raise CompressionError(f"{technique.name} cannot make it ({type(error).__name__}: {said})") from error
        return made

    def _written(self, technique: TechniqueParams, source: Path, folder: Path) -> Made:
        match technique:
            case HalfWeightsParams(dtype=dtype):
                halve_weights(source, folder / GRAPH, dtype)
            case DynamicInt8Params():
                quantize_dynamically(source, folder / GRAPH)
            case StaticInt8Params():
                return self._quantized(technique, source, folder / GRAPH)
        return PLAIN

    def _quantized(self, technique: StaticInt8Params, source: Path, target: Path) -> Made:
        samples = calibration_samples(technique.calibration_samples, self.params.seed)
        with tempfile.TemporaryDirectory() as scratch:
            quantizer = StaticQuantizer(source, Path(scratch), samples, technique)
            if technique.max_layer_shift is None:
                quantizer.write(target)
                return PLAIN
            shifts = scan(quantizer, samples, self.fitted.target, Path(scratch))
            in_float = tuple(each.layer for each in shifts if each.shift > technique.max_layer_shift)
            quantizer.write(target, in_float)
        return PLAIN.model_copy(update={"in_float": in_float, "sensitivity": tuple(shifts)})


def forget_shapes(path: Path) -> None:
    """Takes the shapes out of a graph, which only a quantizer has a use for."""
    model = onnx.load(path)
    model.graph.ClearField("value_info")
    onnx.save(model, path)


def calibration_samples(count: int, seed: int) -> NDArray[Any]:
    """Random training samples, (samples, *shape of one)."""
    train = LabelledArrays.load(PREPARED / "train")
    chosen = np.random.default_rng(seed).choice(len(train.labels), min(count, len(train.labels)), replace=False)
    return train.inputs[np.sort(chosen)]


def parity_difference(served: ServedNetwork, graph: Path, inputs: NDArray[Any]) -> float:
    """Largest difference between an answer of a graph and the network's; of values, in deviations of the target."""
    exported = answers(open_graph(graph), inputs)  # in other batches than it was traced with
    difference = float(np.abs(exported - torch_answers(served, inputs)).max())
    return difference / served.target.std if isinstance(served.target, ValueTarget) else difference


def require_parity(difference: float, limit: float, target: Target) -> None:
    """Refuses a graph that differs from its network.

    Raises:
        CompressionError: it does, or its answers are no numbers.
    """
    if difference <= limit:  # NaN is not
        return
    unit = f"deviations of {target.name}" if isinstance(target, ValueTarget) else "in a probability"
    raise CompressionError(
        f"The exported graph differs from the network by {difference:.2g} {unit} on validation samples; "
        f"compress.max_parity_difference allows {limit:g}. The export is wrong: report the network that does this."
    )
