"""The package itself: a folder that is a sealed package of tunesmith and an MLflow model at once."""

import shutil
from importlib.metadata import version
from pathlib import Path

from components.contracts import (
    COMPRESSED,
    EVALUATED,
    PACKAGED,
    PREPARED,
    REPORTS,
    TOKENIZER,
    TRAINED,
    VALIDATED,
    TextInputs,
)
from components.errors import PackageError
from components.files import whole_folder, write_json, write_text
from components.inference import open_graph
from components.package import ModelPackage, ModelSignature, seal, verify
from components.package.model import (
    CARD,
    GOLDEN,
    LOCK,
    METRICS,
    MODEL,
    PARAMS,
    PROFILE,
    PROVENANCE,
    REFERENCE,
    SIGNATURE_FILE,
    WEIGHTS,
)
from components.params import Params
from components.register.card import render_card
from components.register.origin import provenance
from components.register.outputs import FITTED, INGESTED_RECORD, LineOutputs
from components.register.proof import LOCK as LOCK_FILE
from components.register.proof import PARAMS_FILE, check_lock
from components.settings import Settings

PARTS = {
    TRAINED / "best.safetensors": WEIGHTS,
    EVALUATED / GOLDEN: GOLDEN,
    EVALUATED / REFERENCE: REFERENCE,
    VALIDATED / PROFILE: PROFILE,
    PARAMS_FILE: PARAMS,
    LOCK_FILE: LOCK,
}
"""Files of the line that travel with every model, and their names in the package."""
EVALUATION = REPORTS / "evaluate"


def proven_package(params: Params, settings: Settings, lock_sha256: str) -> str:
    """Makes ``models/package`` of what dvc.lock proves.

    Returns:
        Its digest.

    Raises:
        LineageError: dvc.lock does not tell of the files that lie here.
        PackageError: as :func:`sealed_package`.
    """
    with_tokenizer = [PREPARED] if (PREPARED / TOKENIZER).exists() else []
    check_lock([TRAINED, COMPRESSED, EVALUATED, VALIDATED, EVALUATION, *with_tokenizer], [INGESTED_RECORD, FITTED])
    return sealed_package(params, settings, lock_sha256)


def sealed_package(params: Params, settings: Settings, lock_sha256: str) -> str:
    """Makes ``models/package``, or finds it finished by a call that was killed later on.

    Returns:
        Its digest.

    Raises:
        LineageError: the line's outputs cannot be read.
        PackageError: the signing key cannot be used, or is not among the trusted ones.
    """
    finished = _finished(settings, lock_sha256)
    if finished:
        return finished
    outputs = LineOutputs.read()
    origin = provenance(params, outputs, lock_sha256)
    signature = model_signature(params, outputs)
    parts = PARTS | ({PREPARED / TOKENIZER: TOKENIZER} if isinstance(signature.inputs, TextInputs) else {})
    with whole_folder(PACKAGED) as folder:
        _write_mlflow_model(folder, outputs.graph, signature)
        for source, part in parts.items():
            shutil.copyfile(source, folder / part)
        signature.write(folder / SIGNATURE_FILE)
        origin.write(folder / PROVENANCE)
        measures = outputs.evaluated.model_dump(mode="json")
        write_json(folder / METRICS, measures | {"compression": outputs.compressed.model_dump(mode="json")})
        write_text(folder / CARD, render_card(params, outputs, signature, origin))
        seal(folder, settings.private_key, settings.public_keys)
        return verify(folder, settings.public_keys)


def _finished(settings: Settings, lock_sha256: str) -> str | None:
    """The digest of a package that was made from the same dvc.lock and is whole."""
    try:
        digest = verify(PACKAGED, settings.public_keys)
        return digest if ModelPackage.read(PACKAGED).provenance.lock_sha256 == lock_sha256 else None
    except PackageError:  # none, or not whole: it is made anew
        return None


def model_signature(params: Params, outputs: LineOutputs) -> ModelSignature:
    """What the chosen graph takes and gives."""
    shapes = {output.name: output.shape for output in open_graph(outputs.graph).get_outputs()}
    target = outputs.fitted.target
    return ModelSignature(
        task=params.task,
        inputs=outputs.fitted.inputs,
        target=target,
        features=shapes["features"][1],
        golden_tolerance=target.tolerance,
    )


def _write_mlflow_model(folder: Path, graph: Path, signature: ModelSignature) -> None:
    """Makes the folder one that MLflow shows, loads and serves as an ONNX model."""
    import mlflow
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature as Signature
    from mlflow.types.schema import Schema, TensorSpec

    float32 = np.dtype(np.float32)
    mlflow.onnx.save_model(
        onnx.load(graph),
        folder,
        signature=Signature(
            Schema([TensorSpec(signature.inputs.dtype, (-1, *signature.inputs.shape), "inputs")]),
            Schema(
                [
                    TensorSpec(float32, (-1, signature.target.width), signature.target.output),
                    TensorSpec(float32, (-1, signature.features), "features"),
                ]
            ),
        ),
        pip_requirements=[f"{library}=={version(library)}" for library in ("numpy", "onnx", "onnxruntime")],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    shutil.copyfile(graph, folder / MODEL)  # MLflow serialises anew; what is served is the file that was measured
