import io
import re
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from components.errors import ParamsError
from components.params import Section, load_params, parse_params
from components.params.schema import entries, model_of
from components.params.sections import TASKS, ImageClassificationParams
from tests.places import REPOSITORY

TEXT = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
TEXTS_PRESET = (REPOSITORY / "presets" / "gru-sms-spam.yaml").read_text(encoding="utf-8")
FILES = [REPOSITORY / "params.yaml", *sorted((REPOSITORY / "presets").glob("*.yaml"))]


def faults_of(text: str) -> str:
    with pytest.raises(ParamsError) as error:
        parse_params(text)
    return str(error.value)


def edited(*changes: tuple[str, Any]) -> str:
    """params.yaml with other values; a key that begins with ``=`` is the new name of the key at the place."""
    yaml = YAML()
    document = yaml.load(TEXT)
    for place, value in changes:
        *sections, key = place.split(".")
        node = reduce(getitem, sections, document)
        if isinstance(value, str) and value.startswith("="):
            node.insert(list(node).index(key), value[1:], node.pop(key))
        else:
            node[key] = value
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_that_is_shipped_is_valid(path: Path) -> None:
    assert load_params(path).name


def test_presets_are_there() -> None:
    assert {"digits.yaml", "reference-augmentation.yaml"} <= {path.name for path in FILES}


def test_reference_augmentation_is_that_of_the_reference_program() -> None:
    reference, default = load_params(REPOSITORY / "presets/reference-augmentation.yaml"), load_params(FILES[0])
    policy = reference.augment
    for magnitude, expected in [
        (policy.rotation, 40),
        (policy.width_shift, 0.2),
        (policy.height_shift, 0.2),
        (policy.shear, 0.2),
        (policy.zoom, 0.2),
    ]:
        assert (magnitude.range, magnitude.probability) == (expected, 1)
    assert (policy.horizontal_flip.probability, policy.random_erasing.probability) == (0.5, 0)
    assert reference.model_copy(update={"augment": default.augment}) == default


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = edited(("seed", -7), ("train.epochs", "=epoch"), ("gate", "=gat"))
    told = faults_of(text)
    assert told.startswith("params.yaml has 5 faults; nothing was run.")
    assert f"params.yaml:{line_of(text, 'seed:')}  seed: input should be greater than or equal to 0; found -7." in told
    assert f"params.yaml:{line_of(text, 'epoch:')}  train.epoch: is not a parameter. Did you mean 'epochs'?" in told
    assert f"params.yaml:{line_of(text, 'train:')}  train.epochs: is missing. Add it: Passes over" in told
    assert "gate: is missing" in told
    assert "gat: is not a parameter. Did you mean 'gate'?" in told


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("name", "Fashion MNIST", "name: string should match pattern"),
        (
            "train.batch_size",
            "128",
            "train.batch_size: input should be a valid integer, or input should be 'auto'; found '128'",
        ),
        ("train.epochs", True, "train.epochs: input should be a valid integer; found True"),
        ("train.optimizer.learning_rate", float("nan"), "train.optimizer.learning_rate: input should be"),
        ("train.optimizer.learning_rate", float("inf"), "less than or equal to 10"),
        (
            "train.optimizer.name",
            "admaw",
            "train.optimizer.name: 'admaw' is not known for image_classification. Did you",
        ),
        ("train.network.name", "lstm", "train.network.name: 'lstm' is not known for image_classification. Known: cnn"),
        ("train.warmup", {"shape": "linear", "epochs": 14}, "the warmup of 14 epochs is not shorter than the training"),
        ("train.gradient_clip", {"norm": 1, "value": 1}, "clip by norm or by value, not by both"),
        (
            "task",
            "image_clasification",
            "task: 'image_clasification' is not known. Did you mean 'image_classification'",
        ),
        (
            "ingest.source.kind",
            "csv",
            "ingest.source.kind: 'csv' is not known for image_classification. Known: idx, image",
        ),
        (
            "augment.random_erasing.area",
            [0.1, 3],
            "augment.random_erasing.area.1: input should be less than or equal to 1",
        ),
        ("ingest.source.labels", ["a", "b", "a"], "ingest.source.labels: each name must occur once; repeated: a"),
        ("prepare.normalisation", None, "prepare.normalisation: input should be 'unit' or 'standard'; found None"),
        ("ingest.source.width", "=widht", "ingest.source.widht: is not a parameter. Did you mean 'width'?"),
        ("train.zzz", 1, "train.zzz: is not a parameter. Known here: accelerator,"),
    ],
)
def test_a_fault_names_place_rule_and_value(place: str, value: Any, told: str) -> None:
    assert told in faults_of(edited((place, value)))


def test_a_fault_inside_a_union_has_its_own_line() -> None:
    text = edited(("train.network.dropout", 1.5))
    line = line_of(text, "dropout: 1.5")
    assert f"params.yaml:{line}  train.network.dropout: input should be less than 1" in faults_of(text)


def test_a_task_that_there_is_not_is_told() -> None:
    with pytest.raises(ParamsError, match=r"There is no task 'vision'. Known: image_classification, text"):
        model_of("vision")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found nothing"),
        ("- 1", "found only [1]"),
        ("a: [", "params.yaml:1:5: not valid YAML"),
        ("seed: 1\nseed: 2", "params.yaml:2:1: not valid YAML: found duplicate key"),
        ("name: *x", "not valid YAML: found undefined alias"),
        ("name: \x00", "not valid YAML: unacceptable character"),
    ],
)
def test_what_is_no_params_file_is_told(text: str, told: str) -> None:
    assert told in faults_of(text)


def test_missing_and_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="does not exist here"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match=r" is a folder\. Put a file in its place"):
        load_params(tmp_path)
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(ParamsError, match="cannot be read as UTF-8"):
        load_params(tmp_path / "params.yaml")


@given(st.text(max_size=60))
def test_any_text_is_valid_or_told(text: str) -> None:
    with pytest.raises(ParamsError):
        parse_params(text)


@settings(max_examples=40)  # each reads the whole file
@given(st.data())
def test_any_value_anywhere_is_valid_or_told_with_its_place(data: st.DataObject) -> None:
    node, place = YAML(typ="safe").load(TEXT), []
    while isinstance(node, dict) and place[-1:] != ["space"]:  # whose keys have dots in them
        place.append(data.draw(st.sampled_from(sorted(node))))
        node = node[place[-1]]
    value = data.draw(st.none() | st.booleans() | st.integers() | st.floats() | st.just("?") | st.just([]))
    try:
        parse_params(edited((".".join(place), value)))
    except ParamsError as error:
        section = re.escape(place[0])  # what does not fit together is told of the whole of it
        told = rf"params\.yaml:\d+  {re.escape('.'.join(place))}|params\.yaml(:\d+)?  {section}\b"
        assert re.search(told, str(error))


def places(section: Section, prefix: str = "") -> set[str]:
    """The dotted places of a params file that was read, without the tags of alternatives."""
    found = set()
    for name, field in type(section).model_fields.items():
        place, value = prefix + (field.alias or name), getattr(section, name)
        found |= {place} | (places(value, f"{place}.") if isinstance(value, Section) else set())
    return found


def test_the_documented_schema_covers_every_place_of_every_file() -> None:
    for path in FILES:
        params = load_params(path)
        documented = {re.sub(r"\[[\w|]+\]", "", entry.place) for entry in entries(type(params))}
        assert places(params) <= documented


@pytest.mark.parametrize("task", TASKS)
def test_every_parameter_is_described_and_has_its_values(task: type[Section]) -> None:
    for entry in entries(task):
        if entry.place.rsplit(".", 1)[-1] not in ("kind", "name") or entry.place == "name":
            assert entry.description.endswith((".", ")")), entry
        assert entry.values, entry


def test_bounds_are_documented() -> None:
    documented = {entry.place: entry.values for entry in entries(ImageClassificationParams)}
    assert documented["train.epochs"] == "int ≥ 1 ≤ 10,000"
    assert documented["train.precision"] == "32-true | bf16-mixed | 16-mixed"
    assert documented["train.batch_size"] == "int ≥ 1 ≤ 65,536 | auto"
    assert documented["ingest.source[idx].labels"].startswith("list")
    assert documented["train.network[cnn].filters"].startswith("list")


def test_no_field_has_a_default() -> None:
    def sections(kind: type[Section]) -> set[type[Section]]:
        return {kind} | {inner for sub in kind.__subclasses__() for inner in sections(sub)}

    assert set(TASKS) <= sections(Section)
    for section in sections(Section):
        for name, field in section.model_fields.items():
            assert field.is_required(), f"{section.__name__}.{name}"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("area: [0.02, 0.2]", "area: [0.5, 0.02]", "the smallest area must not be above the largest"),
        ("filters: [32, 64, 64]", "filters: [32, 64, 64, 64, 64, 64]", "leave nothing of an image of 28 × 28 pixels"),
        (
            "{name: adamw, learning_rate: 0.004, beta1: 0.9, beta2: 0.999, weight_decay: 0.05}",
            "{name: sgd, learning_rate: 0.004, momentum: 0, nesterov: true, weight_decay: 0.05}",
            "Nesterov's momentum needs a momentum above 0",
        ),
        ("strategy: auto", "strategy: fsdp", "devices is 1: raise devices, or set strategy to auto"),
        (
            "precision: 32-true      # bf16-mixed where the processor has AMX or the device is a GPU\n"
            "  accelerator: auto\n  devices: 1\n  strategy: auto",
            "precision: 16-mixed\n  accelerator: auto\n  devices: 2\n  strategy: fsdp",
            "does not go with precision 16-mixed",
        ),
    ],
)
def test_rules_between_values_are_checked_before_any_work(before: str, after: str, words: str) -> None:
    text = (REPOSITORY / "params.yaml").read_text()
    assert before in text
    with pytest.raises(ParamsError) as caught:
        parse_params(text.replace(before, after))
    assert words.lower() in str(caught.value).lower()


def pretrained(tokenizer: dict[str, Any], checkpoint: str, weights: str = "none") -> str:
    document = YAML(typ="safe").load(REPOSITORY / "presets" / "minilm-sms-spam.yaml")
    document["fetch"]["weights"] = weights
    document["prepare"]["tokenizer"] = tokenizer
    document["train"]["network"]["checkpoint"] = checkpoint
    stream = io.StringIO()
    YAML(typ="safe").dump(document, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "tokenizer",
    [{"name": "bpe", "vocabulary": 3000, "lowercase": True}, {"name": "checkpoint", "checkpoint": "org/another"}],
    ids=["trained", "another"],
)
def test_a_pretrained_network_asks_for_the_tokens_of_its_own_checkpoint(tokenizer: dict[str, Any]) -> None:
    told = faults_of(pretrained(tokenizer, "org/model"))
    assert "prepare.tokenizer: org/model of train.network understands the tokens of its own tokenizer alone." in told
    assert "Set prepare.tokenizer: {name: checkpoint, checkpoint: org/model}." in told
    assert parse_params(pretrained({"name": "checkpoint", "checkpoint": "org/model"}, "org/model"))


@pytest.mark.parametrize("place", ["encoder", "data/checkpoints/encoder", "data/fetched/../encoder", "org/model"])
def test_a_folder_whose_changes_no_stage_would_see_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in (place, "data/fetched/encoder"):
        Path(folder).resolve().mkdir(parents=True, exist_ok=True)
    told = faults_of(pretrained({"name": "checkpoint", "checkpoint": place}, place))
    name = Path(place).name
    assert f"train.network.checkpoint: a change of {place} would go unnoticed there." in told
    assert (
        f"Put it into data/checkpoints/, set fetch.weights: data/checkpoints/{name} and name it data/fetched/{name}."
        in told
    )
    fetched = {"name": "checkpoint", "checkpoint": "data/fetched/encoder"}
    assert parse_params(pretrained(fetched, "data/fetched/encoder", "data/checkpoints/encoder"))
    assert "encoder is not what fetch.weights (minilm_l6) gives." in faults_of(
        pretrained(fetched, "data/fetched/encoder", "minilm_l6")
    )
    without_network = TEXTS_PRESET.replace(
        "{name: bpe, vocabulary: 3000, lowercase: true}", f"{{name: checkpoint, checkpoint: {place}}}"
    )
    assert "prepare.tokenizer.checkpoint: a change of" in faults_of(without_network)


@pytest.mark.parametrize(
    "weights", ["minilm", "data/checkpoints/../secret", "data/checkpoints/a/b", "data/checkpoints/.hidden"]
)
def test_weights_are_those_of_the_catalogue_or_a_folder_of_checkpoints(weights: str) -> None:
    assert "fetch.weights: input should be 'none'" in faults_of(edited(("fetch.weights", weights)))
    assert parse_params(edited(("fetch.weights", "data/checkpoints/my-encoder.v2")))
