"""The follower against a real registry on SQLite, look by look."""

import resource
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from components.files import write_json
from components.package import GoldenBatch, seal
from components.package.model import GOLDEN, MODEL
from components.package.signing import private_key, sign
from components.settings import Settings
from serving import follow
from serving.follow import Follower
from serving.registry import open_registry
from tests.following import follower_of
from tests.package_factory import digits
from tests.shelf import NAME, Shelf, answers

SAMPLE = np.ascontiguousarray(digits().inputs[:3])


def following(shelf: Shelf, patience: float = 60.0) -> Follower:
    registry = open_registry(shelf.settings, NAME)
    return follower_of(registry, shelf.settings, shelf.settings.home / "server", patience=patience)


def sealed(shelf: Shelf, folder: Path) -> int:
    """Seals a package that was tampered with by one who has the key, and makes it the champion."""
    (folder / "manifest.json").unlink()
    (folder / "manifest.sig").unlink()
    digest = seal(folder, shelf.settings.private_key, shelf.settings.public_keys)
    return shelf.promote(shelf.register(folder, digest))


def served(follower: Follower) -> int | None:
    return follower.model.version if follower.model else None


def test_without_a_registry_it_waits_and_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "nothing")
    follower = follower_of(open_registry(settings, NAME), settings, tmp_path / "scratch")
    follower.look()
    assert follower.model is None
    assert "tunesmith promote" in str(follower.following.error)
    assert not settings.home.exists()


def test_it_serves_the_champion_and_follows_it(shelf: Shelf) -> None:
    first, second = shelf.publish(0.0), shelf.publish(50.0)
    follower = following(shelf)
    follower.look()
    assert served(follower) is None
    for version, bias in ((first, 0.0), (second, 50.0), (first, 0.0)):
        shelf.promote(version)
        follower.look()
        assert served(follower) == version
        assert follower.following.error is None
        assert follower.model
        assert np.allclose(follower.model.infer(SAMPLE).answers, answers(shelf.package(bias), SAMPLE), atol=1e-6)


def test_the_same_champion_is_not_loaded_again(shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    model = follower.model
    follower.look()
    assert follower.model is model


def test_when_the_alias_is_taken_away_the_old_version_goes_on(shelf: Shelf) -> None:
    version = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    shelf.demote()
    follower.look()
    assert served(follower) == version
    assert "any more" in str(follower.following.error)


def damage_a_file(shelf: Shelf, folder: Path) -> int:
    version = shelf.publish(1.0)
    with (shelf.stored(version) / MODEL).open("r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    return shelf.promote(version)  # last: a server that looks on must not see it whole


def damage_the_manifest(shelf: Shelf, folder: Path) -> int:
    version = shelf.promote(shelf.publish(1.0))
    manifest = shelf.stored(version) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"format": 1', b'"format":  1'))
    return version


def put_another_package_in_its_place(shelf: Shelf, folder: Path) -> int:
    version = shelf.promote(shelf.publish(1.0))
    shelf.publish(2.0)
    shutil.rmtree(shelf.stored(version))
    shutil.copytree(shelf.package(2.0), shelf.stored(version))
    return version


def sign_with_a_strange_key(shelf: Shelf, folder: Path) -> int:
    shelf.publish(1.0)
    stranger = Settings(home=folder / "stranger")
    package = folder / "strange"
    shutil.copytree(shelf.package(1.0), package)
    (package / "manifest.json").unlink()
    (package / "manifest.sig").unlink()
    return shelf.promote(shelf.register(package, seal(package, stranger.private_key, stranger.public_keys)))


def change_a_golden_answer(shelf: Shelf, folder: Path) -> int:
    shelf.publish(1.0)
    package = folder / "golden"
    shutil.copytree(shelf.package(1.0), package)
    golden = GoldenBatch.load(package / GOLDEN)
    wrong = golden.answers.copy()
    wrong[5, 2] += 0.01
    GoldenBatch(golden.inputs, wrong).save(package / GOLDEN)
    return sealed(shelf, package)


def make_the_answer_depend_on_the_batch(shelf: Shelf, folder: Path) -> int:
    """A graph that is right on its whole golden batch, and on no batch of another size."""
    shelf.publish(1.0)
    package = folder / "batch"
    shutil.copytree(shelf.package(1.0), package)
    graph = onnx.load(package / MODEL)
    for node in graph.graph.node:
        node.output[:] = ["alone" if name == "probabilities" else name for name in node.output]
    mean = onnx.helper.make_node("ReduceMean", ["alone"], ["mean"], axes=[0], keepdims=1)
    graph.graph.node.append(mean)
    graph.graph.node.append(onnx.helper.make_node("Sub", ["alone", "mean"], ["probabilities"]))
    graph.opset_import[0].version = 17
    onnx.save(graph, package / MODEL)
    golden = GoldenBatch.load(package / GOLDEN)
    GoldenBatch(golden.inputs, answers(package, golden.inputs)).save(package / GOLDEN)
    return sealed(shelf, package)


def break_the_graph(shelf: Shelf, folder: Path) -> int:
    shelf.publish(1.0)
    package = folder / "broken"
    shutil.copytree(shelf.package(1.0), package)
    (package / MODEL).write_bytes(b"this is no graph")
    return sealed(shelf, package)


BAD = {
    damage_a_file: "model.onnx is damaged",
    damage_the_manifest: "changed after it was sealed",
    put_another_package_in_its_place: "was registered under",
    sign_with_a_strange_key: "not among the 1 trusted keys",
    change_a_golden_answer: "golden batch",
    make_the_answer_depend_on_the_batch: "in batches of 1 ",
    break_the_graph: "cannot open the graph",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_version_is_rejected_with_its_reason(shelf: Shelf, tmp_path: Path, spoil: object) -> None:
    good = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    bad = spoil(shelf, tmp_path)  # type: ignore[operator]
    for _ in range(2):
        follower.look()
        assert served(follower) == good
        assert follower.following.rejected == bad
        assert BAD[spoil] in str(follower.following.error)  # type: ignore[index]
    shelf.promote(good)
    follower.look()
    assert follower.following.error is None
    assert follower.following.rejected is None


def test_a_rejected_version_is_tried_again_when_the_alias_comes_back(shelf: Shelf, tmp_path: Path) -> None:
    good = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    bad = damage_a_file(shelf, tmp_path)
    follower.look()
    shutil.copyfile(shelf.package(1.0) / MODEL, shelf.stored(bad) / MODEL)
    follower.look()
    assert served(follower) == good, "not fetched anew at every look"
    shelf.promote(good)
    follower.look()
    shelf.promote(bad)
    follower.look()
    assert served(follower) == bad


def test_a_rejected_version_is_tried_again_after_a_while(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "REJECTED_SECONDS", 0.0)
    shelf.publish(0.0)
    bad = damage_a_file(shelf, tmp_path)
    follower = following(shelf)
    follower.look()
    assert served(follower) is None
    shutil.copyfile(shelf.package(1.0) / MODEL, shelf.stored(bad) / MODEL)
    follower.look()
    assert served(follower) == bad


def test_a_manifest_that_names_a_place_outside_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.publish(1.0)
    package = tmp_path / "outside"
    shutil.copytree(shelf.package(1.0), package)
    manifest = package / "manifest.json"
    write_json(manifest, {"format": 1, "files": {"../../escaped": {"bytes": 10, "sha256": "0"}}})
    (package / "manifest.sig").write_bytes(
        sign(manifest.read_bytes(), private_key(shelf.settings.private_key, shelf.settings.public_keys))
    )
    shelf.promote(shelf.register(package, "0" * 64))
    follower = following(shelf)
    follower.look()
    assert "outside the package" in str(follower.following.error)


def test_an_unreadable_registry_is_said_and_heals(shelf: Shelf) -> None:
    first = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    follower.look()
    database = shelf.settings.home / "mlflow.db"
    shutil.copyfile(database, database.with_suffix(".kept"))
    database.write_bytes(b"no database at all" * 1000)
    follower.look()
    assert served(follower) == first
    assert "cannot be read" in str(follower.following.error)
    shutil.copyfile(database.with_suffix(".kept"), database)
    follower.look()
    assert follower.following.error is None


def test_a_disk_that_takes_no_more_is_said_and_heals(shelf: Shelf) -> None:
    first = shelf.promote(shelf.publish(0.0))
    follower = following(shelf)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # every write beyond the first 1000 bytes of a file fails
    try:
        follower.look()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert served(follower) is None
    assert "cannot be put on this machine's disk" in str(follower.following.error)
    assert follower.following.rejected is None, "a fault of this machine is no fault of the package"
    follower.look()
    assert served(follower) == first
