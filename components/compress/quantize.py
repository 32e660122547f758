"""Static int8 quantization of an ONNX graph."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from components.errors import CompressionError
from components.inference import answers, open_graph
from components.params.sections import QuantizationParams

METHODS = {
    "min_max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
OPERATORS = ("Conv", "Gemm", "MatMul")
"""What is computed in eight bits. Recurrent layers have no static quantization, and stay as they are."""


class Samples(CalibrationDataReader):  # type: ignore[misc] # untyped base
    """Gives calibration samples to the quantizer in batches."""

    def __init__(self, inputs: NDArray[Any], batch: int = 64) -> None:
        self.batches: Iterator[NDArray[Any]] = (inputs[at : at + batch] for at in range(0, len(inputs), batch))

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch, None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"inputs": batch}


def quantize_int8(source: Path, target: Path, calibration: NDArray[Any], params: QuantizationParams) -> None:
    """Writes an int8 graph: weights signed and per channel, activations unsigned.

    Unsigned activations with signed weights is the pairing that x86 processors multiply fastest (VNNI's u8·s8).

    Args:
        source: the fp32 graph.
        target: file of the quantized graph.
        calibration: (samples, *shape of one) training samples that the ranges are found on.
        params: the ``compress.quantization`` section.

    Raises:
        CompressionError: the quantizer cannot make a graph of it that answers; says what it met.
    """
    try:
        _quantize(source, target, calibration, params)
        answers(open_graph(target), calibration[:1])
    except Exception as error:
        said = " ".join(str(error).split())
        raise CompressionError(f"the quantizer cannot make it ({type(error).__name__}: {said})") from error


def _quantize(source: Path, target: Path, calibration: NDArray[Any], params: QuantizationParams) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)  # the exporter has written the shapes
        quantize_static(
            prepared,
            target,
            Samples(calibration),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[params.calibration],
            op_types_to_quantize=list(OPERATORS),
        )
