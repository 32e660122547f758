"""Two packages of a version: which differences are told, which bounds they keep, and what that comes to."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.contracts import Record
from components.files import write_json
from components.package import GoldenBatch, ModelPackage, Provenance, seal
from components.package.manifest import MANIFEST
from components.package.model import (
    GOLDEN,
    METRICS,
    MODEL,
    PARAMS,
    PROFILE,
    PROVENANCE,
    REFERENCE,
    SIGNATURE_FILE,
    WEIGHTS,
)
from components.settings import Settings
from components.tasks.intervals import wilson_interval
from flows.reproduction.comparison import NUMBER_BOUND, WEIGHTS_BOUND, Pair, Part, compare
from flows.reproduction.verdict import Reproduction, surroundings
from tests.package_factory import make_package

MACHINE = {"processor": "one", "instructions": "AVX2", "threads": "2"}
ELSEWHERE = {"processor": ("one", "another")}


@pytest.fixture
def then(tmp_path: Path) -> Path:
    return package(tmp_path / "then", tmp_path)


@pytest.fixture
def now(then: Path) -> Path:
    """The same again; a package made anew would be a second younger now and then."""
    return Path(shutil.copytree(then, then.parent / "now"))


def package(folder: Path, home: Path, bias: float = 0.0) -> Path:
    make_package(folder, Settings(home=home), bias=bias)
    save_file({"weight": np.linspace(-1, 1, 100, dtype=np.float32)}, folder / WEIGHTS)
    write_json(folder / PROFILE, {"labels": [0.1, 0.9], "samples": 7})
    return folder


def parts(then: Path, now: Path, root: Path = Path()) -> dict[str, Part]:
    found = compare(Pair.of(ModelPackage.read(then), ModelPackage.read(now), root))
    return {part.name: part for part in found}


def outcomes(then: Path, now: Path) -> dict[str, str]:
    """Of the files that are not identical."""
    return {name: part.outcome for name, part in parts(then, now).items() if part.outcome != "identical"}


def verdict(found: dict[str, Part], around: dict[str, tuple[str | None, str | None]] | None = None) -> Reproduction:
    return Reproduction(
        name="digits",
        version=3,
        commit="f" * 40,
        folder="here",
        stages=(),
        surroundings=around or {},
        parts=tuple(found.values()),
    )


def test_equal_packages_are_identical_whenever_they_were_made(then: Path, now: Path) -> None:
    change_record(Provenance, now / PROVENANCE, created="2030-01-01T00:00:00+00:00")
    (now / "card.md").write_text("# Made later\n")
    assert outcomes(then, now) == {"provenance.json": "not compared", "card.md": "not compared"}
    found = verdict(parts(then, now))
    assert found.verdict == "identical"
    assert found.sentence() == "Version 3 of 'digits' was reproduced bit for bit."
    assert MANIFEST not in parts(then, now)


def change_record(kind: type[Record], file: Path, **changes: object) -> None:
    kind.read(file).model_copy(update=changes).write(file)


def change_weights(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({name: change(values) for name, values in tensors.items()}, folder / WEIGHTS)


def test_one_bit_of_a_weight_is_enough_on_the_same_machine_and_not_on_another(then: Path, now: Path) -> None:
    change_weights(now, lambda values: np.nextafter(values, np.float32(2)))
    found = parts(then, now)
    assert outcomes(then, now) == {WEIGHTS: "within bounds"}
    assert 0 < (found[WEIGHTS].difference or 0) < 1e-6
    here, elsewhere = verdict(found), verdict(found, ELSEWHERE)
    assert here.verdict == "different"
    assert here.sentence().endswith(
        "weights.safetensors differ, and on the same kind of processor, with as many threads and the same libraries, "
        "no bit may."
    )
    assert elsewhere.verdict == "equal within bounds"
    assert "processor" in elsewhere.sentence()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values * np.float32(1 - 1.01 * WEIGHTS_BOUND), "of their length apart"),
        (lambda values: np.full_like(values, np.nan), "nan"),
        (lambda values: values[:-1], "Tensors of other shapes: weight."),
        (lambda values: values.astype(np.float16), "Tensors of other shapes: weight."),
    ],
)
def test_other_weights_are_different_on_every_machine(
    then: Path, now: Path, change: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    change_weights(now, change)
    part = parts(then, now)[WEIGHTS]
    assert part.outcome == "different"
    assert words in part.detail
    assert verdict({WEIGHTS: part}, ELSEWHERE).verdict == "different"


@pytest.mark.parametrize(("bias", "outcome"), [(0.1, "within bounds"), (200.0, "different")])
def test_graphs_are_asked_about_the_golden_batch(then: Path, tmp_path: Path, bias: float, outcome: str) -> None:
    part = parts(then, package(tmp_path / "now", tmp_path, bias=bias))[MODEL]
    assert (part.outcome, part.bound) == (outcome, pytest.approx(1 - wilson_interval(14, 16)[0])), (
        "0.8896 of 16 samples"
    )
    assert re.match(r"Its answers to the golden batch are \S+ apart, with the same class on \d+ of 16\.", part.detail)


def test_another_choice_by_latency_is_told_and_the_variant_of_then_is_compared(
    then: Path, now: Path, tmp_path: Path
) -> None:
    change_record(Provenance, now / PROVENANCE, chosen="int8")
    (tmp_path / "models/compress").mkdir(parents=True)
    (tmp_path / "models/compress/fp32.onnx").write_bytes((now / MODEL).read_bytes())
    (now / MODEL).write_bytes(b"another variant")
    part = parts(then, now, tmp_path)[MODEL]
    assert (part.outcome, part.detail) == ("identical", "int8 was chosen, by latency; fp32 is compared.")
    metrics = json.loads((now / METRICS).read_text())
    metrics["compression"]["variants"] = []
    write_json(now / METRICS, metrics)
    part = parts(then, now, tmp_path)[MODEL]
    assert (part.outcome, part.detail) == ("different", "The variant fp32, chosen then, could not be made.")


def test_what_follows_from_another_choice_is_no_difference(then: Path, tmp_path: Path) -> None:
    now = package(tmp_path / "now", tmp_path, bias=3.0)
    (tmp_path / "models/compress").mkdir(parents=True)
    (tmp_path / "models/compress/fp32.onnx").write_bytes((then / MODEL).read_bytes())
    (now / METRICS).write_bytes((then / METRICS).read_bytes())
    (now / PARAMS).write_bytes((then / PARAMS).read_bytes())
    (now / SIGNATURE_FILE).write_text((now / SIGNATURE_FILE).read_text().replace('"features": 64', '"features": 48'))
    change_record(Provenance, now / PROVENANCE, chosen="thin")
    found = parts(then, now, tmp_path)
    outcomes = {name: part.outcome for name, part in found.items()}
    for name in (GOLDEN, REFERENCE, SIGNATURE_FILE):
        assert outcomes[name] == "not compared", found[name]
        assert "It is of thin, which was chosen now." in found[name].detail
    assert verdict(found).verdict == "identical"


def test_other_golden_samples_are_other_data(then: Path, now: Path) -> None:
    golden = GoldenBatch.load(now / GOLDEN)
    GoldenBatch(golden.inputs, golden.answers + np.float32(1e-6)).save(now / GOLDEN)
    assert parts(then, now)[GOLDEN].outcome == "within bounds"
    GoldenBatch(golden.inputs[::-1].copy(), golden.answers).save(now / GOLDEN)
    assert parts(then, now)[GOLDEN].detail == "It holds other samples."


def test_the_samples_of_the_drift_reference_are_compared(then: Path, now: Path) -> None:
    tensors = load_file(now / REFERENCE)
    save_file({**tensors, "summaries": tensors["summaries"] * np.float32(1 + NUMBER_BOUND / 2)}, now / REFERENCE)
    assert parts(then, now)[REFERENCE].outcome == "within bounds"
    save_file({**tensors, "summaries": tensors["summaries"] * np.float32(1.01)}, now / REFERENCE)
    assert parts(then, now)[REFERENCE].outcome == "different"
    save_file({**tensors, "summaries": tensors["summaries"][:-1]}, now / REFERENCE)
    assert parts(then, now)[REFERENCE].detail == "It describes other samples."


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        ({"labels": [0.1 + 1e-9, 0.9], "samples": 7}, "within bounds"),
        ({"labels": [0.1, 0.8], "samples": 7}, "different"),
        ({"labels": [0.1, 0.9], "samples": 8}, "different"),
        ({"labels": [0.1], "samples": 7}, "different"),
        ({"labels": [0.1, 0.9], "samples": 7, "more": None}, "different"),
    ],
)
def test_documents_may_differ_in_the_last_digits(then: Path, now: Path, document: object, outcome: str) -> None:
    write_json(now / PROFILE, document)
    assert outcomes(then, now) == {PROFILE: outcome}


def test_latencies_are_no_difference_and_scores_are(then: Path, now: Path) -> None:
    metrics = json.loads((now / METRICS).read_text())
    metrics["compression"]["variants"][0]["latency"]["batch_1"]["p50"] = 99.0
    write_json(now / METRICS, metrics)
    assert parts(then, now)[METRICS].outcome == "identical"
    low, _ = metrics["variants"]["fp32"]["accuracy_interval"]
    for score, outcome in ((low + 1e-6, "within bounds"), (low - 1e-6, "different")):
        metrics["variants"]["fp32"]["accuracy"] = score
        write_json(now / METRICS, metrics)
        part = parts(then, now)[METRICS]
        assert part.outcome == outcome
        assert part.detail.startswith(f"The score is {score:.4f}; it was 0.8896")


@pytest.mark.parametrize(
    ("other", "change", "words"),
    [
        ("baseline", {"score": 0.02}, "The baseline's score is 0.0200; it was "),
        ("baseline", {"name": "most_frequent"}, "The baseline is another one."),
        ("champion", {"score": 0.02}, "The champion's score is 0.0200; it was 0.8000, with a 95 % interval from "),
        ("champion", {"version": 4}, "The champion is another one."),
        ("champion", None, "The champion is another one."),
    ],
)
def test_what_the_model_was_compared_with_must_be_the_same(
    then: Path, now: Path, other: str, change: dict[str, object] | None, words: str
) -> None:
    def measure(folder: Path, accuracy: float, **others: object) -> None:
        metrics = json.loads((then / METRICS).read_text())
        metrics["champion"] = {"kind": "classes", "version": 3, "score": 0.8, "interval": [0.7, 0.9]}
        metrics["variants"]["fp32"]["accuracy"] = accuracy
        write_json(folder / METRICS, metrics | others)

    score = json.loads((then / METRICS).read_text())["variants"]["fp32"]["accuracy"]
    measure(now, score + 0.001)
    measure(then, score)
    assert parts(then, now)[METRICS].outcome == "within bounds"
    metrics = json.loads((then / METRICS).read_text())
    measure(now, score + 0.001, **{other: change and metrics[other] | change})
    part = parts(then, now)[METRICS]
    assert (part.outcome, part.detail[: len(words)]) == ("different", words)


def test_params_must_be_the_same_and_no_file_may_be_missing(then: Path, now: Path) -> None:
    (now / PARAMS).write_text("# other\n")
    (now / "tokenizer.json").write_text("{}")
    (now / PROFILE).unlink()
    found = parts(then, now)
    assert outcomes(then, now) == {PARAMS: "different", "tokenizer.json": "different", PROFILE: "different"}
    assert found["tokenizer.json"].detail == "The registered package has none."
    assert found[PROFILE].detail == "The package that was made again has none."


def test_the_signature_is_a_document(then: Path, now: Path) -> None:
    (now / SIGNATURE_FILE).write_text((now / SIGNATURE_FILE).read_text().replace('"seven"', '"eleven"'))
    assert outcomes(then, now) == {SIGNATURE_FILE: "different"}


def test_surroundings_that_differ_are_named_and_unknown_ones_too(then: Path) -> None:
    origin = ModelPackage.read(then).provenance.model_copy(update={"machine": MACHINE})
    assert surroundings(origin, origin) == {}
    other = origin.model_copy(update={"machine": MACHINE | {"processor": "two"}, "environment": {"numpy": "1"}})
    assert surroundings(origin, other).keys() == {"numpy", "processor"}
    on_gpu = origin.model_copy(update={"machine": MACHINE | {"gpu": "one"}})
    assert surroundings(on_gpu, on_gpu) == {"gpu": ("one", "one")}, "even the same one adds in another order"
    unknown = origin.model_copy(update={"machine": {}})
    assert surroundings(unknown, origin)["processor"] == (None, "one")


def test_a_tampered_package_that_was_sealed_again_is_found(then: Path, now: Path, tmp_path: Path) -> None:
    def tamper(values: np.ndarray) -> np.ndarray:
        values[3] += np.float32(0.5)
        return values

    change_weights(then, tamper)
    settings = Settings(home=tmp_path)
    seal(then, settings.private_key, settings.public_keys)
    found = verdict(parts(then, now))
    assert (outcomes(then, now), found.verdict) == ({WEIGHTS: "within bounds"}, "different")
