"""The data of a version, looked for in a workspace that has moved on: real DVC, and the clone of a reproduction."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from components.contracts import CHAMPION, ChampionRef
from components.errors import LineageError
from components.files import read_json, write_json
from components.lineage import code_tree, tree_digest
from components.package import ModelPackage, Provenance, seal
from components.package.model import LOCK, METRICS, PARAMS, PROVENANCE
from flows.reproduction.checkout import check_out, inside
from flows.reproduction.origin import Origin
from flows.reproduction.sources import Sources, find_sources, link_missing, outside, read_lock, require_restored
from tests.flows.toy import edit, environment
from tests.package_factory import make_package
from tests.shelf import NAME, Shelf

GRAPH = """
stages:
  champion:
    cmd: mkdir -p data/champion && echo then > data/champion/value
    outs: [data/champion]
  ingest:
    cmd: mkdir -p data/ingested && cat data/pictures/* > data/ingested/table
    deps: [components/ingest, data/pictures]
    params: [seed]
    outs: [data/ingested]
  train:
    cmd: mkdir -p models && cat data/ingested/table data/champion/value > models/weights
    deps: [data/ingested, data/champion]
    outs: [models/weights]
"""


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments, "-q"], check=True, capture_output=True, env=environment())


@pytest.fixture
def workspace(new_line: Path) -> Path:
    """The working directory: a line with data that git does not hold, which has run and is committed."""
    (new_line / "dvc.yaml").write_text(GRAPH)
    shutil.rmtree(new_line / "components")
    (new_line / "components/ingest").mkdir(parents=True)
    (new_line / "components/ingest/run.py").write_text("# code\n")
    (new_line / "data/pictures").mkdir(parents=True)
    (new_line / "data/pictures/1.png").write_text("one")
    dvc("repro")
    git("add", "-A")
    git("commit", "-q", "-m", "then")
    return new_line


@pytest.fixture
def origin(workspace: Path, shelf: Shelf, tmp_path: Path) -> Origin:
    """A version that this line could have made."""
    folder = tmp_path / "package"
    make_package(folder, shelf.settings)
    for name in (PARAMS, LOCK):
        shutil.copyfile(workspace / name, folder / name)
    commit = git("rev-parse", "HEAD")
    changes = {"git_commit": commit, "machine": {"threads": "3"}}
    Provenance.read(folder / PROVENANCE).model_copy(update=changes).write(folder / PROVENANCE)
    digest = seal(folder, shelf.settings.private_key, shelf.settings.public_keys)
    return Origin(NAME, 1, digest, commit, ModelPackage.read(folder))


@pytest.fixture
def clone(origin: Origin, shelf: Shelf, tmp_path: Path) -> Path:
    return check_out(origin, shelf.settings, tmp_path / "clone")


def found(origin: Origin, shelf: Shelf, workspace: Path, clone: Path) -> Sources:
    with inside(clone, origin, shelf.settings):
        return find_sources(origin, workspace)


def test_data_that_did_not_change_are_linked_and_every_stage_can_run(
    origin: Origin, shelf: Shelf, workspace: Path, clone: Path
) -> None:
    sources = found(origin, shelf, workspace, clone)
    assert sources.stages == ("champion", "ingest", "train")
    assert sources.restored == {"champion": "it is compared with the champion of then"}
    assert sources.missing == ()
    assert (clone / "data/champion/value").read_text() == "then\n"
    assert (clone / "data/pictures/1.png").samefile(workspace / "data/pictures/1.png")
    assert not (clone / "models").exists(), "what the line makes is not brought"


def test_what_was_made_of_data_that_changed_is_restored(
    origin: Origin, shelf: Shelf, workspace: Path, clone: Path
) -> None:
    (workspace / "data/pictures/2.png").write_text("two")
    dvc("repro")
    sources = found(origin, shelf, workspace, clone)
    assert sources.restored["ingest"] == "data/pictures has changed since"
    assert sources.missing == ()
    assert (clone / "data/ingested/table").read_text() == "one"
    assert (workspace / "data/ingested/table").read_text() == "onetwo"


def test_what_is_neither_here_nor_in_the_cache_is_refused(
    origin: Origin, shelf: Shelf, workspace: Path, clone: Path
) -> None:
    shutil.rmtree(workspace / "data/pictures")
    shutil.rmtree(workspace / ".dvc/cache")
    sources = found(origin, shelf, workspace, clone)
    assert set(sources.missing) == {"champion", "ingest"}
    with pytest.raises(
        LineageError, match="data/pictures has changed since, and what ingest made of it then is neither"
    ):
        require_restored(origin, shelf.settings, clone, Sources(sources.stages, sources.restored, ("ingest",)))


def test_what_only_a_remote_has_is_restored_by_the_settings_of_this_machine(
    origin: Origin, shelf: Shelf, workspace: Path, tmp_path: Path
) -> None:
    dvc("remote", "add", "--local", "--default", "backup", str(tmp_path / "backup"))
    dvc("push")
    shutil.rmtree(workspace / "data/pictures")
    shutil.rmtree(workspace / ".dvc/cache")
    clone = check_out(origin, shelf.settings, tmp_path / "clone")
    sources = found(origin, shelf, workspace, clone)
    assert set(sources.restored) == {"champion", "ingest"}
    assert sources.missing == ()
    assert (clone / "data/ingested/table").read_text() == "one"


def test_data_that_dvc_tracks_come_from_its_cache(
    origin: Origin, shelf: Shelf, workspace: Path, tmp_path: Path
) -> None:
    edit(workspace / "dvc.yaml", "data/pictures/* >", "pictures/* >")
    edit(workspace / "dvc.yaml", "components/ingest, data/pictures]", "components/ingest, pictures]")
    (workspace / "pictures").mkdir()
    (workspace / "pictures/1.png").write_text("tracked")
    dvc("add", "pictures")
    dvc("repro")
    git("add", "-A")
    git("commit", "-q", "-m", "tracked")
    shutil.copyfile(workspace / LOCK, origin.package.folder / LOCK)
    (workspace / "pictures/1.png").unlink()
    (workspace / "pictures/1.png").write_text("of today")
    later = Origin(origin.name, origin.version, origin.digest, git("rev-parse", "HEAD"), origin.package)
    clone = check_out(later, shelf.settings, tmp_path / "later")
    sources = found(later, shelf, workspace, clone)
    assert "ingest" not in sources.restored
    assert (clone / "pictures/1.png").read_text() == "tracked"


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("components/ingest/run.py", "# code", "# other code", "components/ingest was another"),
        ("dvc.yaml", "cat data/pictures/*", "cat data/pictures/1*", "the command of ingest was another"),
        ("params.yaml", "seed: 7", "seed: 8", "the parameter seed was another"),
        ("dvc.yaml", "  train:", "  more: {cmd: echo}\n  train:", "the graph (it has no stage more) was another"),
    ],
)
def test_code_that_the_commit_does_not_have_is_refused(
    origin: Origin, shelf: Shelf, workspace: Path, clone: Path, file: str, before: str, after: str, words: str
) -> None:
    edit(clone / file, before, after)
    with pytest.raises(LineageError, match="was not made by the code of commit") as refusal:
        found(origin, shelf, workspace, clone)
    assert words in str(refusal.value)


def record_champion(clone: Path, folder: Path) -> None:
    """Lets dvc.lock say that this was the champion of then."""
    text, recorded = (clone / LOCK).read_text(), read_lock(clone)["champion"]["outs"][0]["md5"]
    (clone / LOCK).write_text(text.replace(recorded, tree_digest(code_tree(folder))))


def test_a_champion_that_no_cache_has_comes_from_the_registry(
    origin: Origin, shelf: Shelf, workspace: Path, clone: Path, tmp_path: Path
) -> None:
    champion = shelf.publish(2.0)
    held = tmp_path / "held"
    shelf.registry.download(champion, held / "package")
    ChampionRef(version=champion).write(held / "champion.json")
    lost = Sources(("champion",), {"champion": "then"}, ("champion",))

    def require(version: int, recorded: Path) -> None:
        metrics = origin.package.metrics()
        metrics["champion"] = {"kind": "incomparable", "version": version, "reason": "x"}
        write_json(origin.package.folder / METRICS, metrics)
        record_champion(clone, recorded)
        require_restored(origin, shelf.settings, clone, lost)

    require(champion, held)
    assert ChampionRef.read(clone / CHAMPION / "champion.json").version == champion
    assert (clone / CHAMPION / "package/manifest.json").exists()
    with pytest.raises(LineageError, match=r"version 9, is not in DVC's cache, nor in a remote, and: 'digits' has no"):
        require(9, held)
    with pytest.raises(LineageError, match="and the registry's is another one by now"):
        require(champion, workspace / "data")


def test_no_champion_then_is_no_champion_now(origin: Origin, shelf: Shelf, workspace: Path, clone: Path) -> None:
    shelf.promote(shelf.publish(2.0))
    none = workspace / "none"
    ChampionRef(version=None).write(none / "champion.json")
    record_champion(clone, none)
    require_restored(origin, shelf.settings, clone, Sources(("champion",), {"champion": "then"}, ("champion",)))
    assert read_json(clone / CHAMPION / "champion.json") == {"version": None}


def test_the_clone_has_a_state_of_its_own(
    origin: Origin, shelf: Shelf, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_TRACKING_URI", "http://registry:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://registry:5000")
    (shelf.settings.home / "datasets").mkdir()
    before, here = dict(os.environ), Path.cwd()
    with inside(clone, origin, shelf.settings) as own:
        assert Path.cwd() == clone
        assert own.tracking_address == f"sqlite:///{clone}/.tunesmith/mlflow.db"
        assert os.environ["MLFLOW_TRACKING_URI"] == own.tracking_address
        assert os.environ["DVC_SITE_CACHE_DIR"] == f"{clone}/.tunesmith/dvc"
        assert os.environ["PYTHONPATH"] == str(clone)
        assert (own.threads, own.datasets) == (3, shelf.settings.home / "datasets")
    assert (dict(os.environ), Path.cwd()) == (before, here)


def test_what_stages_read_from_outside_is_told_from_what_they_make() -> None:
    stages = {
        "fetch": {"deps": [{"path": "data/checkpoints"}, {"path": "components/fetch"}], "outs": [{"path": "data/f"}]},
        "ingest": {"deps": [{"path": "data/f"}, {"path": "/share/x"}], "outs": [{"path": "data/ingested"}]},
        "train": {"deps": [{"path": "data/ingested/part"}], "outs": [{"path": "models/train"}]},
    }
    assert outside(stages) == [Path("/share/x"), Path("data/checkpoints")]


def test_files_that_are_there_are_not_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, names in ((source, ("a", "deep/b")), (target, ("a",))):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(folder.name)
    link_missing(source, target)
    assert {name: (target / name).read_text() for name in ("a", "deep/b")} == {"a": "target", "deep/b": "source"}
    link_missing(source / "a", tmp_path / "one")
    assert (tmp_path / "one").read_text() == "source"
    link_missing(tmp_path / "nothing", target)


def test_files_of_another_file_system_are_copied(tmp_path: Path) -> None:
    if not (memory := Path("/dev/shm")).is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:  # noqa: S108
        pytest.skip("there is no other file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        (Path(folder) / "a").write_text("there")
        link_missing(Path(folder), tmp_path / "here")
    assert (tmp_path / "here/a").read_text() == "there"
