import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from components.contracts import (
    COMPRESSED,
    EVALUATED,
    INGESTED,
    PACKAGED,
    PREPARED,
    REPORTS,
    TRAINED,
    Evaluated,
    TrainedModel,
)
from components.errors import LineageError, PackageError
from components.files import file_sha256, write_json
from components.inference import open_graph
from components.lineage import code_tree, tree_digest
from components.package import ModelPackage, verify
from components.package.model import CARD, LOCK, MODEL, PROFILE, WEIGHTS
from components.package.signing import private_key
from components.params import Params
from components.register import register
from components.registry import CANARY, Registry, connect, experiment_id, peek
from components.settings import Settings
from flows.artifacts import of_registration
from flows.candidates import set_canary
from tests.line_factory import make_line
from tests.package_factory import held_out
from tests.shelf import NAME, Shelf


@pytest.fixture
def settings(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty registry; the line's root is the working folder, and no repository of git."""
    (tmp_path / "line").mkdir()
    monkeypatch.chdir(tmp_path / "line")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return shelf.settings


@pytest.fixture
def params(settings: Settings) -> Params:
    """Those of a line that has just run."""
    return make_line(Path())


def artifacts(settings: Settings, version: int) -> Path:
    return Path(Registry(settings, NAME).version(version).source.removeprefix("file://"))


def test_what_the_line_made_becomes_a_challenger_with_a_whole_package(params: Params, settings: Settings) -> None:
    registered = register(params, settings)
    registry = Registry(settings, NAME)
    assert (registered.version, registered.created) == (1, True)
    assert registry.challenger() == 1
    assert registry.champion() is None
    assert verify(artifacts(settings, 1), settings.public_keys) == registered.digest
    assert registered.lock_sha256 == file_sha256(Path("dvc.lock"))
    tags = registry.version(1).tags
    assert tags.items() >= {"digest": registered.digest, "chosen": "fp32", "git_commit": "none"}.items()
    assert tags["score"] == "0.8896"
    assert tags["graph"] == file_sha256(COMPRESSED / "fp32.onnx")


def test_the_package_holds_the_very_files_that_were_measured(params: Params, settings: Settings) -> None:
    register(params, settings)
    for original, name in (
        (COMPRESSED / "fp32.onnx", MODEL),
        (TRAINED / "best.safetensors", WEIGHTS),
        (EVALUATED / "golden.safetensors", "golden.safetensors"),
        (EVALUATED / "reference.safetensors", "reference.safetensors"),
        (Path("data/validated/profile.json"), PROFILE),
        (Path("params.yaml"), "params.yaml"),
        (Path("dvc.lock"), LOCK),
    ):
        assert file_sha256(PACKAGED / name) == file_sha256(original), name
    package = ModelPackage.read(PACKAGED)
    assert package.signature.inputs.shape == (8, 8, 1)
    assert package.signature.features == 64
    assert package.provenance.test_share is None
    assert package.provenance.git_dirty
    trained = TrainedModel.read(TRAINED / "trained.json")
    assert (package.provenance.environment, package.provenance.machine) == (trained.environment, trained.machine)
    metrics = package.metrics()
    assert metrics.pop("compression")["chosen"] == "fp32"
    assert Evaluated.model_validate(metrics) == Evaluated.read(EVALUATED / "evaluated.json")
    assert not [file for file in PACKAGED.rglob("*") if file.suffix in {".pkl", ".pickle", ".pt", ".py"}]


def test_the_model_card_tells_the_figures_of_this_model(params: Params, settings: Settings) -> None:
    register(params, settings)
    card = (PACKAGED / CARD).read_text(encoding="utf-8")
    for words in (
        "# digits",
        "| test | 797 |",
        "Accuracy 89.0 %",
        "The baseline majority reaches 9.91 %: always the first class.",
        "| eight | 83.8 % | 75.0 % | 0.7917 | 76 |",
        "Weakest class: eight, of which it finds 75.0 %. Its most frequent mistake: 12 × one taken for nine.",
        "650 parameters, best of 3 epochs",
        "| code | not committed |",
    ):
        assert words in card, words


def test_mlflow_can_load_the_version_and_gets_the_same_answers(params: Params, settings: Settings) -> None:
    import mlflow

    register(params, settings)
    model = mlflow.pyfunc.load_model(str(artifacts(settings, 1)))
    assert model.metadata.signature.inputs.input_names() == ["inputs"]
    assert model.metadata.signature.outputs.input_names() == ["probabilities", "features"]
    inputs = held_out().inputs[:5]
    expected = open_graph(COMPRESSED / "fp32.onnx").run(None, {"inputs": inputs})
    answers = model.predict(inputs)
    np.testing.assert_allclose(answers["probabilities"], expected[0], atol=1e-6)
    np.testing.assert_allclose(answers["features"], expected[1], atol=1e-6)


def test_the_same_lock_is_registered_once(params: Params, settings: Settings) -> None:
    first = register(params, settings)
    before = {file: file.stat().st_mtime_ns for file in settings.home.rglob("*") if file.suffix != ".lock"}
    again = register(params, settings)
    assert again == first.model_copy(update={"created": False})
    assert {file: file.stat().st_mtime_ns for file in settings.home.rglob("*") if file.suffix != ".lock"} == before


def test_the_canary_that_a_new_version_ends_is_told(params: Params, settings: Settings) -> None:
    first = register(params, settings)
    assert of_registration(first) == f"Version 1 of 'digits' (package {first.digest[:12]}…) is the challenger."
    set_canary(settings, NAME, 0.25, None)
    second = register(make_line(Path(), bias=1.0), settings)
    assert of_registration(second).endswith(
        " is the challenger. That ends the canary of version 1: 'tunesmith canary 0.05 --version 1' begins it anew."
    )
    registry = Registry(settings, NAME)
    assert CANARY not in registry.version(1).tags
    set_canary(settings, NAME, 0.25, 1)
    assert set_canary(settings, NAME, 0.5, 2).endswith("each time. The canary of version 1 ends.")
    assert {one.version: CANARY in one.tags for one in registry.versions()} == {2: True, 1: False}


def test_going_back_to_an_older_lock_finds_its_version(params: Params, settings: Settings) -> None:
    first = register(params, settings)
    old = Path("dvc.lock").read_bytes()
    second = register(make_line(Path(), bias=1.0), settings)
    assert (second.version, second.created) == (2, True)
    assert second.digest != first.digest
    Path("dvc.lock").write_bytes(old)
    assert register(params, settings) == first.model_copy(update={"created": False})
    assert Registry(settings, NAME).challenger() == 2


def test_one_training_can_end_in_two_packages(params: Params, settings: Settings) -> None:
    client = connect(settings)
    run = client.create_run(experiment_id(client, settings, NAME)).info.run_id
    versions = [register(make_line(Path(), bias=bias, run_id=run), settings) for bias in (0.0, 1.0)]
    assert [verify(artifacts(settings, one.version), settings.public_keys) for one in versions] == [
        one.digest for one in versions
    ]


def test_the_trainings_own_run_gets_the_package_the_report_and_the_measures(params: Params, settings: Settings) -> None:
    client = connect(settings)
    run = client.create_run(experiment_id(client, settings, NAME)).info.run_id
    registered = register(make_line(Path(), run_id=run), settings)
    measured = Evaluated.read(EVALUATED / "evaluated.json").chosen
    found = client.get_run(run)
    assert found.data.metrics["test_accuracy"] == measured.accuracy
    assert found.data.metrics["test_macro_f1"] == measured.macro_f1
    assert client.get_model_version(NAME, "1").run_id == run
    place = registered.digest[:16]
    assert [file.path for file in client.list_artifacts(run, f"evaluate/{place}")] == [f"evaluate/{place}/report.html"]
    assert f"packages/{place}/MLmodel" in [file.path for file in client.list_artifacts(run, f"packages/{place}")]


def test_a_training_of_another_store_gets_a_run_that_says_so(params: Params, settings: Settings) -> None:
    register(params, settings)
    client = connect(settings)
    run = client.get_run(client.get_model_version(NAME, "1").run_id)
    assert (
        "the training's run 00000000000000000000000000000000 is not in this tracking store"
        in (run.data.tags["mlflow.note.content"])
    )
    assert run.info.status == "FINISHED"


def test_code_that_is_committed_is_named(params: Params, settings: Settings) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "params.yaml"], ["commit", "-qm", "params"]):
        subprocess.run([*git, *command], check=True)
    Path(".gitignore").write_text("data\nmodels\nreports\ndvc.yaml\n.gitignore\n")
    register(params, settings)
    origin = ModelPackage.read(PACKAGED).provenance
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert (origin.git_commit, origin.git_dirty) == (head, False)
    assert Registry(settings, NAME).version(1).tags["git_commit"] == head


def edit_lock(change: Callable[[dict[str, Any]], object]) -> None:
    yaml = YAML(typ="safe", pure=True)
    lock = yaml.load(Path("dvc.lock"))
    change(lock["stages"])
    yaml.dump(lock, Path("dvc.lock"))


def change_label(record: Path) -> None:
    record.write_text(record.read_text().replace("seven", "eleven"))


def read_by_another(stages: dict[str, Any]) -> None:
    """Evaluate has read another version of a part of an output than train, and nobody has the output's listing."""
    stages["evaluate"]["deps"].append({"path": "data/prepared/preprocessing.json", "md5": "f" * 32})


def prepared_anew(stages: dict[str, Any]) -> None:
    """Prepare has run again since train did; DVC's cache has the listing of what it made."""
    stages["prepare"] = made_by_prepare([{"md5": "f" * 32, "relpath": "preprocessing.json"}])


def made_by_prepare(listing: list[dict[str, str]]) -> dict[str, Any]:
    digest = tree_digest(listing)
    write_json(Path(".dvc/cache/files/md5") / digest[:2] / digest[2:], listing)
    return {"outs": [{"path": "data/prepared", "md5": digest}]}


def test_a_part_of_an_output_is_found_in_its_listing(params: Params, settings: Settings) -> None:
    listing = code_tree(PREPARED)
    tested = tree_digest(code_tree(PREPARED / "test"))

    def change(stages: dict[str, Any]) -> None:
        stages["prepare"] = made_by_prepare(listing)
        stages["evaluate"]["deps"].append({"path": "data/prepared/test", "md5": tested})

    edit_lock(change)
    assert register(params, settings).created


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: Path("dvc.lock").unlink(), "There is no dvc.lock"),
        (lambda: edit_lock(lambda stages: stages.pop("evaluate")), "no record of evaluate"),
        (
            lambda: edit_lock(lambda stages: stages["compress"]["deps"][0].update(md5="f" * 32 + ".dir")),
            "compress last ran on another models/train than there is now",
        ),
        (
            lambda: edit_lock(lambda stages: stages["train"]["params"]["params.yaml"]["train"].update(epochs=99)),
            "params.yaml: train has changed since train ran",
        ),
        (lambda: (TRAINED / "best.safetensors").write_bytes(b"x"), "models/train is not what dvc.lock says was made"),
        ((REPORTS / "evaluate" / "more.html").touch, "reports/evaluate is not what dvc.lock says"),
        (
            lambda: change_label(PREPARED / "preprocessing.json"),
            "preprocessing.json is not what dvc.lock says was read",
        ),
        (lambda: change_label(INGESTED / "ingested.json"), "ingested.json is not what dvc.lock says was read"),
        (lambda: edit_lock(lambda stages: stages["evaluate"].pop("deps")), "ingested.json is not what dvc.lock says"),
        (lambda: edit_lock(read_by_another), "data/prepared/preprocessing.json than another stage did"),
        (lambda: edit_lock(prepared_anew), "train last ran on another data/prepared/preprocessing.json"),
    ],
)
def test_what_dvc_lock_does_not_prove_is_not_registered(
    params: Params, settings: Settings, change: Callable[[], object], words: str
) -> None:
    change()
    with pytest.raises(LineageError, match=words):
        register(params, settings)
    assert Registry(settings, NAME).versions() == []


def test_what_the_lock_says_of_nothing_that_is_packed_may_change(params: Params, settings: Settings) -> None:
    """The section ``gate`` belongs to no stage, so it may change between the line and its registration."""
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("max_bytes: 20000000", "max_bytes: 10000000"), encoding="utf-8")
    assert register(params, settings).created


def test_a_key_that_nobody_trusts_is_refused_before_anything_is_registered(params: Params, settings: Settings) -> None:
    private_key(settings.private_key, settings.public_keys)
    for key in settings.public_keys.iterdir():
        key.unlink()
    with pytest.raises(PackageError, match="not among the 0 trusted keys"):
        register(params, settings)
    assert Registry(settings, NAME).versions() == []
    assert not PACKAGED.exists()


def test_a_version_whose_package_is_damaged_is_superseded(params: Params, settings: Settings) -> None:
    first = register(params, settings)
    (artifacts(settings, 1) / MODEL).write_bytes(b"")
    second = register(params, settings)
    assert (second.version, second.created, second.digest) == (2, True, first.digest)
    assert Registry(settings, NAME).challenger() == 2
    assert verify(artifacts(settings, 2), settings.public_keys) == second.digest


def test_a_version_made_by_hand_is_ignored(params: Params, settings: Settings) -> None:
    lock = {"lock_sha256": file_sha256(Path("dvc.lock")), "complete": "true"}
    Registry(settings, NAME).add_version(Path.cwd().as_uri(), "", lock)
    assert (register(params, settings).version, register(params, settings).created) == (2, False)


def test_where_the_registry_cannot_be_peeked_into_mlflow_is_asked(params: Params, settings: Settings) -> None:
    first = register(params, settings)
    other_way = settings.model_copy(update={"tracking_uri": f"{settings.tracking_address}?timeout=9"})
    assert peek(other_way, NAME, "lock_sha256", first.lock_sha256) is None
    assert register(params, other_way) == first.model_copy(update={"created": False})


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_before_the_version(params: Params, settings: Settings) -> None:
    Registry.add_version = die  # type: ignore[method-assign, assignment]
    register(params, settings)


def killed_before_the_alias(params: Params, settings: Settings) -> None:
    Registry.set_alias = die  # type: ignore[method-assign, assignment]
    register(params, settings)


def killed_before_the_last_tag(params: Params, settings: Settings) -> None:
    Registry.set_tag = die  # type: ignore[method-assign, assignment]
    register(params, settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("killed", "versions"),
    [(killed_before_the_version, 0), (killed_before_the_alias, 1), (killed_before_the_last_tag, 1)],
)
def test_a_killed_registration_is_finished_by_the_next(
    params: Params,
    settings: Settings,
    processes: multiprocessing.context.ForkServerContext,
    killed: Callable[[Params, Settings], None],
    versions: int,
) -> None:
    process = processes.Process(target=killed, args=(params, settings))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    registry = Registry(settings, NAME)
    assert len(registry.versions()) == versions
    unfinished = verify(PACKAGED, settings.public_keys)
    registered = register(params, settings)
    assert (registered.version, registered.created, registered.digest) == (1, True, unfinished)
    assert registry.challenger() == 1
    assert verify(artifacts(settings, 1), settings.public_keys) == unfinished
    assert not register(params, settings).created
