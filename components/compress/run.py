"""The files of stage ``compress``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from components.compress.choice import choose, refusal
from components.compress.quantize import quantize_int8
from components.contracts import (
    COMPRESSED,
    PREPARED,
    TRAINED,
    Compressed,
    LabelledArrays,
    Preprocessing,
    Target,
    ValueTarget,
    Variant,
)
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx, torch_answers
from components.files import whole_folder
from components.inference import answers, latencies, open_graph
from components.nets import build_network, build_preprocess
from components.params import Params
from components.settings import Settings
from components.tasks.score import score

PARITY_SAMPLES = 1000


def run(params: Params, settings: Settings) -> None:
    """Runs the stage.

    Raises:
        CompressionError: the exported graph does not answer as the network does.
    """
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    validation = LabelledArrays.load(PREPARED / "validation")
    served = load_network(params, fitted)
    with whole_folder(COMPRESSED) as folder:
        export_onnx(served, validation.inputs, folder / "fp32.onnx")
        difference = parity_difference(served, folder / "fp32.onnx", validation.inputs[:PARITY_SAMPLES])
        _require_parity(difference, params.compress.max_parity_difference, fitted.target)
        unmade = _quantized(folder, params)
        names = [name for name in ("fp32", "int8") if name not in unmade]
        variants = measure_variants(folder, names, validation, fitted.target, params)
        chosen, reason = choose(variants, unmade, fitted.target)
        Compressed(variants=tuple(variants), chosen=chosen.name, reason=reason, parity_difference=difference).write(
            folder / "compressed.json"
        )
    print(f"Chosen: {reason}.")


def load_network(params: Params, fitted: Preprocessing) -> ServedNetwork:
    """The trained network with its best weights, ready to be exported."""
    network = build_network(params.train, fitted.inputs, fitted.target.width)
    network.load_state_dict(load_file(TRAINED / "best.safetensors"))
    return ServedNetwork(build_preprocess(fitted.inputs), network, fitted.target).eval()


def _quantized(folder: Path, params: Params) -> dict[str, str]:
    """Makes the int8 graph; gives the variants that could not be made, with their reasons."""
    try:
        quantize_int8(
            folder / "fp32.onnx", folder / "int8.onnx", calibration_samples(params), params.compress.quantization
        )
    except CompressionError as error:
        (folder / "int8.onnx").unlink(missing_ok=True)
        return {"int8": str(error)}
    return {}


def calibration_samples(params: Params) -> NDArray[Any]:
    """Random training samples, (samples, *shape of one)."""
    train = LabelledArrays.load(PREPARED / "train")
    count = min(params.compress.quantization.calibration_samples, len(train.labels))
    chosen = np.random.default_rng(params.seed).choice(len(train.labels), count, replace=False)
    return train.inputs[np.sort(chosen)]


def measure_variants(
    folder: Path, names: list[str], validation: LabelledArrays, target: Target, params: Params
) -> list[Variant]:
    """Measures graphs side by side; the first is the fp32 graph that the others are held against."""
    budget = params.compress
    sessions = {name: open_graph(folder / f"{name}.onnx") for name in names}
    samples = dict.fromkeys(sessions, validation.inputs)
    single = latencies(sessions, samples, 1, budget.latency_repeats)
    many = latencies(sessions, samples, 32, max(10, budget.latency_repeats // 4))
    variants: list[Variant] = []
    for name, session in sessions.items():
        variant = Variant(
            name=name,
            file=f"{name}.onnx",
            bytes=(folder / f"{name}.onnx").stat().st_size,
            validation_score=score(target, answers(session, validation.inputs), validation.labels),
            latency_1=single[name],
            latency_32=many[name],
            refused=None,
        )
        refused = refusal(variant, variants[0], budget, target) if variants else None
        variants.append(variant.model_copy(update={"refused": refused}))
    return variants


def parity_difference(served: ServedNetwork, graph: Path, inputs: NDArray[Any]) -> float:
    """Largest difference between an answer of a graph and the network's; of values, in deviations of the target."""
    exported = answers(open_graph(graph), inputs)  # in other batches than it was traced with
    difference = float(np.abs(exported - torch_answers(served, inputs)).max())
    return difference / served.target.std if isinstance(served.target, ValueTarget) else difference


def _require_parity(difference: float, limit: float, target: Target) -> None:
    if difference <= limit:  # NaN is not
        return
    unit = f"deviations of {target.name}" if isinstance(target, ValueTarget) else "in a probability"
    raise CompressionError(
        f"The exported graph differs from the network by {difference:.2g} {unit} on validation samples; "
        f"compress.max_parity_difference allows {limit:g}. The export is wrong: report the network that does this."
    )
