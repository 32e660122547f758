"""From a technique of ``params.yaml`` to a variant: a changed network, exported, or a changed graph."""

import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from components.compress.half_weights import halve_weights
from components.compress.int8 import StaticQuantizer, quantize_dynamically
from components.compress.making import GRAPH, NETWORK, PLAIN, Made, Shelf
from components.compress.networks import kept_params, load_network, save_network, with_network
from components.compress.sensitivity import scan
from components.compress.students import shrunk
from components.contracts import PREPARED, TRAINED, LabelledArrays, Preprocessing, Target, ValueTarget
from components.errors import CompressionError, TrainingDiverged
from components.export import ServedNetwork, export_onnx, torch_answers
from components.inference import answers, open_graph
from components.nets import Network, build_network, build_preprocess
from components.params import Params
from components.params.sections import (
    GRAPH_TECHNIQUES,
    DistillationParams,
    DynamicInt8Params,
    HalfWeightsParams,
    NetworkParams,
    SameStudent,
    ShrunkStudent,
    StaticInt8Params,
    TechniqueParams,
)
from components.sampling import golden_picks

PARITY_SAMPLES = 1000
"""The first of the validation split; parity is looked at on these and on the golden batch."""


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

    @cached_property
    def parity_inputs(self) -> NDArray[Any]:
        """The validation samples that parity is looked at on: the first thousand, and the golden batch."""
        labels = self.validation.labels
        golden = golden_picks(self.fitted.target, labels, self.params.evaluate.golden_samples)
        return self.validation.inputs[np.union1d(golden, np.arange(min(PARITY_SAMPLES, len(labels))))]

    def make_fp32(self, folder: Path) -> Made:
        """Exports the trained network."""
        network = build_network(self.params.train, self.fitted.inputs, self.fitted.target.width)
        network.load_state_dict(load_file(TRAINED / "best.safetensors"))
        return self._export(network, self.params.train.network, folder)

    def make(self, name: str, folder: Path) -> Made:
        """Makes a variant of ``compress.variants``; what it starts from must be there.

        Raises:
            CompressionError: the technique cannot do it, or what it gives does not answer as it should.
            OSError: the disk is full, or gone.
        """
        technique = self.params.compress.variants[name]
        try:
            if isinstance(technique, GRAPH_TECHNIQUES):
                return self._change_graph(technique, self.shelf.graph(technique.of), folder)
            from components.compress.retraining import change_network

            return self._export(*change_network(self, name, technique), folder)
        except (CompressionError, OSError):
            raise
        except TrainingDiverged as error:
            shutil.rmtree(self.shelf.state(name), ignore_errors=True)
            what = str(error).partition(". ")[0]
            raise CompressionError(f"{what}. Lower compress.variants.{name}.learning_rate") from error
        except Exception as error:
            said = " ".join(str(error).split())
            raise CompressionError(f"{technique.name} cannot make it ({type(error).__name__}: {said})") from error

    def network(self, name: str) -> tuple[Network, Params]:
        """The network of a variant that has one, and params.yaml with what that was before its layers were changed."""
        place = self.shelf.place(name) / NETWORK
        return load_network(place, self.params, self.fitted), kept_params(place, self.params)

    def student(
        self, name: str, technique: DistillationParams, network: Network, params: Params
    ) -> tuple[Network, Params]:
        """Who is taught, and params.yaml with what that is as ``train.network``.

        Args:
            name: of the variant.
            technique: that of it.
            network: what the variant starts from.
            params: with what that was before its layers were changed.
        """
        match technique.student:
            case SameStudent():
                return network, params
            case ShrunkStudent(factor=factor):
                params = with_network(self.params, shrunk(self.params, self.fitted, factor))
            case stated:
                params = with_network(self.params, self.params.stated_student(name, stated))
        torch.manual_seed(self.params.seed)
        student = build_network(params.train, self.fitted.inputs, self.fitted.target.width)
        with torch.no_grad():
            student.eval()(self.example())
        return student, params

    def example(self) -> torch.Tensor:
        """Two samples as a network takes them."""
        samples = self.validation.inputs[np.arange(2) % len(self.validation.inputs)]
        normalised: torch.Tensor = build_preprocess(self.fitted.inputs)(torch.from_numpy(samples))
        return normalised

    def _export(self, network: Network, architecture: NetworkParams, folder: Path) -> Made:
        """Writes graph and network, and holds the one against the other."""
        served = self.served(network)
        export_onnx(served, self.validation.inputs, folder / GRAPH)
        difference = parity_difference(served, folder / GRAPH, self.parity_inputs)
        require_parity(difference, self.params.compress.max_parity_difference, self.fitted.target)
        save_network(network, architecture, folder / NETWORK)
        return PLAIN.model_copy(update={"parity_difference": difference})

    def served(self, network: Network) -> ServedNetwork:
        """The network with its preprocessing and its answer, ready to be exported."""
        return ServedNetwork(build_preprocess(self.fitted.inputs), network, self.fitted.target).eval()

    def _change_graph(self, technique: TechniqueParams, source: Path, folder: Path) -> Made:
        made = self._written(technique, source, folder)
        forget_shapes(folder / GRAPH)
        given = answers(open_graph(folder / GRAPH), self.parity_inputs)
        if not np.isfinite(given).all():
            raise CompressionError("some of its answers are no numbers")
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
