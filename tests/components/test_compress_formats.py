"""Formats besides ONNX, by their real converters and runtimes, which `make formats` installs."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from components.compress.formats.conversion import Format, compared, convert, interpreter
from components.compress.making import Shelf
from components.compress.run import run
from components.compress.techniques import PARITY_SAMPLES, Techniques
from components.contracts import (
    COMPRESSED,
    PREPARED,
    REPORTS,
    ClassTarget,
    Compressed,
    LabelledArrays,
    Preprocessing,
    ValueTarget,
)
from components.errors import CompressionError
from components.export import ServedNetwork, export_onnx
from components.inference import answers, open_graph
from components.nets import build_preprocess
from components.sampling import golden_picks
from components.settings import Settings
from tests.components.nets_samples import NETWORKS, network, raw_samples
from tests.places import REPOSITORY
from tests.trained_digits import static_int8, with_variants, write_trained

CLASSES = ClassTarget(labels=("a", "b", "c"), counts=(1, 1, 1))
FORMATS: tuple[Format, ...] = ("executorch", "litert")
KINDS = ("cnn", "transformer", "lstm", "mlp on rows")
"""One for each kind of layers, since a conversion takes a minute; the others are made of the same."""


@pytest.fixture(scope="session")
def home() -> Path:
    """Where the environments of the converters are; made if need be."""
    found = REPOSITORY / ".tunesmith"
    if not all(interpreter(name, found).exists() for name in FORMATS):
        subprocess.run(["make", "formats"], cwd=REPOSITORY, check=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layers_answers_alike_in_every_format(
    kind: str, name: Format, home: Path, tmp_path: Path
) -> None:
    params, inputs = NETWORKS[kind]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), CLASSES).eval()
    samples = raw_samples(inputs, 40).numpy()
    export_onnx(served, samples, tmp_path / "fp32.onnx")
    wanted = answers(open_graph(tmp_path / "fp32.onnx"), samples)
    found = convert(name, served, samples, wanted, 1e-3, tmp_path, home)
    assert found.largest_difference < 1e-4
    assert found.equal_answers == 1.0
    assert found.samples == 40
    assert found.bytes == (tmp_path / found.file).stat().st_size > 1000
    assert 0 < found.latency_1.p50 <= found.latency_1.p99


@pytest.mark.slow
def test_the_stage_writes_the_network_behind_the_choice(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = write_trained(tmp_path)
    (tmp_path / ".tunesmith").mkdir()
    (tmp_path / ".tunesmith" / "formats").symlink_to(home / "formats")
    generous = params.compress.budget.model_dump() | {"max_latency_ratio": 100.0}
    changed = with_variants(params, {"int8": static_int8()}, formats=list(FORMATS), latency_repeats=10, budget=generous)
    run(changed, Settings(threads=1))
    found = Compressed.read(COMPRESSED / "compressed.json").formats
    assert [each.name for each in found] == list(FORMATS)
    for each in found:
        assert each.samples == 200
        assert each.equal_answers == 1.0
        assert (COMPRESSED / each.file).stat().st_size == each.bytes
    assert "Other formats" in (REPORTS / "compress" / "report.html").read_text()


@pytest.mark.parametrize("target", [CLASSES, ValueTarget(name="area", mean=0, std=1, low=0, high=1)])
def test_parity_is_looked_at_on_the_golden_batch_too(
    target: ClassTarget | ValueTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = write_trained(tmp_path)
    samples = 3 * PARITY_SAMPLES
    labels = np.repeat([0, 1, 2], PARITY_SAMPLES) if target is CLASSES else np.linspace(1, 0, samples)
    validation = LabelledArrays(np.arange(samples)[:, None], labels, np.arange(samples).astype(str))
    fitted = Preprocessing.read(PREPARED / "preprocessing.json").model_copy(update={"target": target})
    seen = set(Techniques(params, fitted, Shelf(tmp_path, {}), validation).parity_inputs[:, 0])
    golden = set(golden_picks(target, labels, params.evaluate.golden_samples))
    assert seen == golden | set(range(PARITY_SAMPLES))
    assert len(seen) > PARITY_SAMPLES, "else this says nothing"


def test_a_converter_that_is_not_here_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = write_trained(tmp_path)
    changed = with_variants(params, {"int8": static_int8()}, formats=["litert"])
    with pytest.raises(CompressionError, match=r"litert/bin/python does not exist\. Run 'make formats'"):
        run(changed, Settings(threads=1))
    assert not (tmp_path / ".tunesmith" / "compress").exists()


def test_what_a_converter_cannot_take_is_told_in_its_words(tmp_path: Path) -> None:
    params, inputs = NETWORKS["mlp on rows"]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), CLASSES).eval()
    python = interpreter("litert", tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'no such operator' >&2\nexit 3\n")
    python.chmod(0o755)
    samples = raw_samples(inputs, 2).numpy()
    with pytest.raises(CompressionError, match="litert cannot take this network: no such operator"):
        convert("litert", served, samples, np.zeros((2, 3), np.float32), 1e-3, tmp_path, tmp_path)


@pytest.mark.parametrize("wrong", [0.01, float("nan")])
def test_a_format_that_answers_otherwise_is_refused(wrong: float, tmp_path: Path) -> None:
    params, inputs = NETWORKS["mlp on rows"]
    served = ServedNetwork(build_preprocess(inputs), network(params, inputs), CLASSES).eval()
    samples = raw_samples(inputs, 2).numpy()
    np.savez(tmp_path / "wrong.npz", answers=np.full((2, 3), wrong), milliseconds=np.ones(2))
    python = interpreter("litert", tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncp {tmp_path}/wrong.npz "$5"\ntouch "$4"\n')
    python.chmod(0o755)
    with pytest.raises(CompressionError, match="litert answers otherwise than the graph"):
        convert("litert", served, samples, np.zeros((2, 3), np.float32), 1e-3, tmp_path, tmp_path)


def test_answers_are_compared_by_class_or_by_value() -> None:
    given = np.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7]], np.float32)
    wanted = np.array([[0.5, 0.5 - 1e-6, 0.0], [0.1, 0.7, 0.2]], np.float32)
    assert compared(given, wanted, CLASSES) == (0.5, pytest.approx(0.5))
    price = ValueTarget(name="price", mean=0.0, std=10.0, low=-1.0, high=1.0)
    assert compared(np.array([[1.0], [2.0]]), np.array([[1.001], [3.0]]), price) == (0.5, pytest.approx(0.1))
