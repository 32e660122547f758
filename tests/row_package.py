"""A small but real package for rows: a linear map of three columns as an ONNX graph, without any training.

The rows are drawn at random, and their true values are the map's own with noise upon them. What the graph must answer
can therefore be computed without it: :func:`value_of`.
"""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from components.contracts import (
    BaselineResult,
    CategoricalColumn,
    Evaluated,
    LabelledArrays,
    NumericColumn,
    Preprocessing,
    RowInputs,
    ValueTarget,
)
from components.evaluate.reference import drift_reference, golden_batch
from components.evaluate.values.metrics import measure_values
from components.files import write_text
from components.inference import answers, open_graph
from components.package import ModelSignature, Provenance, seal
from components.package.model import (
    CARD,
    GOLDEN,
    MODEL,
    PARAMS,
    PROVENANCE,
    REFERENCE,
    SIGNATURE_FILE,
    WEIGHTS,
)
from components.settings import Settings
from components.tasks.rows.encoding import encode_rows
from tests.package_factory import write_metrics

COLOURS = ("blue", "green", "red")
WEIGHTS_OF_COLUMNS = (120.0, -7.5, 30.0)
"""Of size, age, and the position of the colour."""
OFFSET = 1000.0
ROWS = 200
NOISE = 25.0

Row = dict[str, float | str | None]


def row_inputs(missing: Literal["refuse", "impute"] = "refuse") -> RowInputs:
    """The columns: a size, an age, a colour."""
    return RowInputs(
        columns=(
            NumericColumn(name="size", mean=50.0, std=28.0, median=48.0, low=1.0, high=100.0),
            NumericColumn(name="age", mean=20.0, std=11.5, median=19.0, low=0.0, high=40.0),
            CategoricalColumn(name="colour", categories=COLOURS),
        ),
        scaling="none",
        missing=missing,
    )


def value_of(row: Row) -> float:
    """What the model answers to a row, computed from the row itself; a missing number counts as its median."""
    medians = {"size": 48.0, "age": 19.0}
    size, age = (medians[name] if row.get(name) is None else float(row[name] or 0) for name in medians)
    colour = COLOURS.index(str(row["colour"])) if row["colour"] in COLOURS else -1
    return OFFSET + float(np.dot(WEIGHTS_OF_COLUMNS, (size, age, colour)))


@functools.cache
def rows() -> tuple[Row, ...]:
    """Rows without a missing number."""
    random = np.random.default_rng(3)
    sizes, ages = random.uniform(1, 100, ROWS), random.uniform(0, 40, ROWS)
    colours = random.choice(COLOURS, ROWS)
    return tuple(
        {"size": round(float(size), 2), "age": round(float(age), 1), "colour": str(colour)}
        for size, age, colour in zip(sizes, ages, colours, strict=True)
    )


def held_out_rows() -> LabelledArrays:
    """The rows as arrays, with their true values."""
    noise = np.random.default_rng(4).normal(0, NOISE, ROWS)
    labels = np.array([value_of(row) for row in rows()]) + noise
    ids = np.array([f"{number:016x}" for number in range(ROWS)])
    return LabelledArrays(encode_rows(rows(), row_inputs()), labels.astype(np.float32), ids)


def row_target() -> ValueTarget:
    """What the map gives."""
    labels = held_out_rows().labels
    return ValueTarget(
        name="price",
        mean=float(labels.mean()),
        std=float(labels.std()),
        low=float(labels.min()),
        high=float(labels.max()),
    )


def make_row_package(
    folder: Path, settings: Settings, *, missing: Literal["refuse", "impute"] = "refuse", offset: float = OFFSET
) -> str:
    """Writes a whole package, sealed with the settings' key, and returns its digest.

    Args:
        folder: of the package.
        settings: whose key seals it.
        missing: what becomes of a row that lacks a number.
        offset: another one makes another model.
    """
    known = Preprocessing(inputs=row_inputs(missing), target=row_target())
    save_graph(_linear_map(offset), folder / MODEL)
    samples = held_out_rows()
    metrics = measure_values(answers(open_graph(folder / MODEL), samples.inputs)[:, 0], samples.labels)
    always_the_mean = measure_values(np.full_like(samples.labels, samples.labels.mean()), samples.labels)
    evaluated = Evaluated(
        chosen=metrics,
        variants={"fp32": metrics},
        baseline=BaselineResult(
            name="mean",
            description="always the mean",
            score=always_the_mean.r2,
            interval=always_the_mean.r2_interval,
        ),
        champion=None,
    )
    save_file({"weights": np.array([*WEIGHTS_OF_COLUMNS, offset], dtype=np.float32)}, folder / WEIGHTS)
    return finish_package(folder, settings, "regression", known, samples, evaluated)


def finish_package(
    folder: Path, settings: Settings, task: str, known: Preprocessing, samples: LabelledArrays, evaluated: Evaluated
) -> str:
    """Writes what every package has beside its graph and its weights, seals it, and returns its digest."""
    session = open_graph(folder / MODEL)
    features = session.get_outputs()[1].shape[1]
    golden_batch(session, known.target, samples, 16).save(folder / GOLDEN)
    drift_reference(session, known, samples).save(folder / REFERENCE)
    ModelSignature(
        task=task, inputs=known.inputs, target=known.target, features=features, golden_tolerance=_tolerance(known)
    ).write(folder / SIGNATURE_FILE)
    _provenance().write(folder / PROVENANCE)
    write_metrics(folder, evaluated)
    write_text(folder / PARAMS, f"task: {task}\n")
    write_text(folder / CARD, f"# {task}\n")
    return seal(folder, settings.private_key, settings.public_keys)


def _tolerance(known: Preprocessing) -> float:
    return 1e-4 * (known.target.std if isinstance(known.target, ValueTarget) else 1)


def _linear_map(offset: float) -> onnx.ModelProto:
    medians = [column.median if isinstance(column, NumericColumn) else 0 for column in row_inputs().columns]
    constants = {
        "medians": np.array(medians, np.float32),
        "weights": np.array(WEIGHTS_OF_COLUMNS, np.float32)[:, None],
        "offset": np.array([offset], np.float32),
        "least": np.array(-1e6, np.float32),
        "most": np.array(1e6, np.float32),
    }
    nodes = [
        helper.make_node("IsNaN", ["inputs"], ["absent"]),
        helper.make_node("Where", ["absent", "medians", "inputs"], ["whole"]),
        helper.make_node("Clip", ["whole", "least", "most"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "offset"], ["value"]),
    ]
    columns = len(medians)
    return build_graph(nodes, constants, (TensorProto.FLOAT, columns), {"value": 1, "features": columns})


def build_graph(
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    takes: tuple[int, int],
    gives: dict[str, int],
) -> onnx.ModelProto:
    """A checked model of one input and several outputs.

    Args:
        nodes: of the graph.
        constants: by name.
        takes: element type and width of the input ``inputs``.
        gives: width of each output, in their order.
    """
    kind, width = takes
    graph = helper.make_graph(
        nodes,
        "made_by_hand",
        [helper.make_tensor_value_info("inputs", kind, ["batch", width])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in gives.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Writes a model, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, path)


def _provenance() -> Provenance:
    return Provenance(
        git_commit=None,
        git_dirty=False,
        lock_sha256="0" * 64,
        seed=7,
        chosen="fp32",
        train_run_id="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        test_share=None,
        environment={"numpy": np.__version__},
    )
