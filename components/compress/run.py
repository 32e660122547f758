"""The files of stage ``compress``."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from components.compress.choice import choose, refusal
from components.compress.export import ServedNetwork, export_onnx, torch_probabilities
from components.compress.quantize import quantize_int8
from components.contracts import COMPRESSED, PREPARED, TRAINED, Compressed, LabelledArrays, Preprocessing, Variant
from components.errors import CompressionError
from components.files import whole_folder
from components.inference import latencies, open_graph, probabilities
from components.nets import Preprocess, build_network
from components.params import Params
from components.settings import Settings


def run(params: Params, settings: Settings) -> None:
    """Runs the stage."""
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    validation = LabelledArrays.load(PREPARED / "validation")
    served = load_network(params, fitted)
    with whole_folder(COMPRESSED) as folder:
        export_onnx(served, (fitted.height, fitted.width, fitted.channels), folder / "fp32.onnx")
        difference = _check_parity(served, folder / "fp32.onnx", validation, params.compress.max_parity_difference)
        quantize_int8(
            folder / "fp32.onnx", folder / "int8.onnx", calibration_samples(params), params.compress.quantization
        )
        variants = measure_variants(folder, ["fp32", "int8"], validation, params)
        chosen, reason = choose(variants)
        Compressed(variants=tuple(variants), chosen=chosen.name, reason=reason, parity_difference=difference).write(
            folder / "compressed.json"
        )
    print(f"Chosen: {reason}.")


def load_network(params: Params, fitted: Preprocessing) -> ServedNetwork:
    """The trained network with its best weights, ready to be exported."""
    network = build_network(params.train.network, (fitted.channels, fitted.height, fitted.width), len(fitted.labels))
    network.load_state_dict(load_file(TRAINED / "best.safetensors"))
    return ServedNetwork(Preprocess(fitted), network).eval()


def calibration_samples(params: Params) -> np.ndarray:
    """Random training samples, (samples, height, width, channels) uint8."""
    train = LabelledArrays.load(PREPARED / "train")
    count = min(params.compress.quantization.calibration_samples, len(train.labels))
    chosen = np.random.default_rng(params.seed).choice(len(train.labels), count, replace=False)
    return train.inputs[np.sort(chosen)]


def measure_variants(folder: Path, names: list[str], validation: LabelledArrays, params: Params) -> list[Variant]:
    """Measures graphs side by side; the first is the fp32 graph that the others are held against."""
    budget = params.compress
    sessions = {name: open_graph(folder / f"{name}.onnx") for name in names}
    single = latencies(sessions, validation.inputs, 1, budget.latency_repeats)
    many = latencies(sessions, validation.inputs, 32, max(10, budget.latency_repeats // 4))
    variants: list[Variant] = []
    for name, session in sessions.items():
        answers = probabilities(session, validation.inputs)
        variant = Variant(
            name=name,
            file=f"{name}.onnx",
            bytes=(folder / f"{name}.onnx").stat().st_size,
            validation_accuracy=float((answers.argmax(axis=1) == validation.labels).mean()),
            latency_1=single[name],
            latency_32=many[name],
            refused=None,
        )
        variants.append(
            variant.model_copy(update={"refused": refusal(variant, variants[0], budget)}) if variants else variant
        )
    return variants


def _check_parity(served: ServedNetwork, graph: Path, validation: LabelledArrays, limit: float) -> float:
    sample = validation.inputs[:1000]
    exported = probabilities(open_graph(graph), sample, batch=300)  # another batch size than the one it was traced with
    difference = float(np.abs(exported - torch_probabilities(served, sample)).max())
    if not difference <= limit:  # so that NaN is refused, too
        raise CompressionError(
            f"The exported graph differs from the network by {difference:.2g} in a probability on {len(sample)} "
            f"validation samples; compress.max_parity_difference allows {limit:g}. The export is wrong: report the "
            "network that does this."
        )
    return difference
