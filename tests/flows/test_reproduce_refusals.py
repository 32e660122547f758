"""What cannot be reproduced is refused in a sentence, before anything is run and without anything left behind."""

import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from components.errors import LineageError, RegistryError, WorkspaceBusy
from components.files import read_json, write_text
from components.package import ModelPackage, Provenance, seal
from components.package.model import LOCK, PROVENANCE
from components.settings import Settings
from flows.reproduction.checkout import check_out
from flows.reproduction.origin import Origin, fetch_origin
from flows.reproduction.place import Journal, Place
from flows.reproduction.reproducing import reproduce
from flows.runs import StageResult
from tests.package_factory import make_package
from tests.shelf import NAME, Shelf

LOCK_TEXT = "schema: '2.0'\nstages: {}\n"


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def commit(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the repository that is the working directory."""
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "nothing")
    return git("rev-parse", "HEAD")


def publish(shelf: Shelf, *, lock: str | None = LOCK_TEXT, **provenance: object) -> int:
    """Registers a package that says so of its origin."""
    folder = shelf.package(0.0)
    make_package(folder, shelf.settings)
    Provenance.read(folder / PROVENANCE).model_copy(update=provenance).write(folder / PROVENANCE)
    if lock is not None:
        write_text(folder / LOCK, lock)
    return shelf.register(folder, seal(folder, shelf.settings.private_key, shelf.settings.public_keys))


def refused(settings: Settings, version: int, into: Path | None = None) -> str:
    with pytest.raises((LineageError, RegistryError)) as refusal:
        reproduce(settings, NAME, version, into, Console(quiet=True))
    return str(refusal.value)


def test_a_version_that_there_is_not(shelf: Shelf, commit: str) -> None:
    publish(shelf, git_commit=commit)
    assert refused(shelf.settings, 9) == "'digits' has no version 9 with a package. Versions that have one: 1."
    assert not (shelf.settings.home / "reproductions").exists()


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({"git_commit": None}, "was registered where there was no commit of git, so nobody knows its code"),
        ({"git_dirty": True}, "was registered while other files than params.yaml differed from commit"),
    ],
)
def test_a_version_whose_code_is_in_no_commit(
    shelf: Shelf, commit: str, provenance: dict[str, object], words: str
) -> None:
    version = publish(shelf, **{"git_commit": commit, **provenance})
    sentence = refused(shelf.settings, version)
    assert sentence.startswith("Version 1 of 'digits'")
    assert words in sentence
    assert not (shelf.settings.home / "reproductions").exists()


def test_a_version_of_an_older_release(shelf: Shelf, commit: str) -> None:
    version = publish(shelf, git_commit=commit, lock=None)
    assert refused(shelf.settings, version).startswith("Version 1 of 'digits' has a package without dvc.lock")


def test_a_commit_that_this_repository_does_not_have(shelf: Shelf, commit: str) -> None:
    version = publish(shelf, git_commit="1" * 40)
    assert refused(shelf.settings, version).startswith(
        f"Version 1 of 'digits' was made from commit {'1' * 40}, which {Path.cwd()} does not have. Fetch it"
    )


def test_a_folder_of_something_else_is_left_alone(shelf: Shelf, commit: str, tmp_path: Path) -> None:
    first, second = publish(shelf, git_commit=commit), publish(shelf, git_commit=commit, seed=8)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    assert refused(shelf.settings, first, mine) == (
        f"{mine} is not empty, and holds no reproduction. Name another folder with --into."
    )
    assert [file.name for file in mine.iterdir()] == ["letter.txt"]

    other = tmp_path / "other"
    Journal(name=NAME, version=second, digest="0" * 64).write(other / "reproduction.json")
    assert refused(shelf.settings, first, other).startswith(f"{other} holds a reproduction of version 2 of 'digits'")


def origin_of(shelf: Shelf, version: int, folder: Path) -> Origin:
    return fetch_origin(shelf.settings, NAME, version, folder)


def test_a_folder_is_claimed_by_one_process_and_remembers_what_was_done(
    shelf: Shelf, commit: str, tmp_path: Path
) -> None:
    origin = origin_of(shelf, publish(shelf, git_commit=commit), tmp_path / "package")
    place = Place.of(shelf.settings, NAME, 1, None)
    assert place.folder == shelf.settings.home / "reproductions/digits-1"
    result = StageResult(stage="train", state="ran", seconds=3, summary="done")
    with place.claimed(origin) as journal:
        assert journal.stages == ()
        journal.with_stage(result).write(place.record)
        with pytest.raises(WorkspaceBusy, match="is being reproduced"), Place(place.folder).claimed(origin):
            pass
    with place.claimed(origin) as journal:
        assert journal.result("train") == result
        assert ModelPackage.read(place.registered).provenance == origin.provenance


@pytest.mark.parametrize("below", [".", "project"])
def test_the_clone_is_at_the_commit_with_the_params_and_the_lock_of_the_version(
    shelf: Shelf, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    root = Path.cwd() / below
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    write_text(root / "code.py", "then")
    git("add", "-A")
    git("commit", "-q", "-m", "then")
    then = git("rev-parse", "HEAD")
    origin = origin_of(shelf, publish(shelf, git_commit=then), tmp_path / "package")
    write_text(root / "code.py", "now")
    git("commit", "-q", "--amend", "-a", "-m", "now: no branch holds the other commit any more")
    (root / ".dvc/config.local").write_text(
        "['remote \"team\"']\n    url = s3://team\n    secret_access_key = hidden\n"
    )
    monkeypatch.chdir(root)

    repository = tmp_path / "clone"
    clone = check_out(origin, shelf.settings, repository)
    assert clone == repository / below
    assert (clone / "code.py").read_text() == "then"
    assert (clone / "params.yaml").read_text() == "# bias 0.0\n"
    assert (clone / LOCK).read_text() == LOCK_TEXT
    local = (clone / ".dvc/config.local").read_text()
    assert f"dir = {root / '.dvc/cache'}" in local
    assert "hidden" in local, "what a remote asks for"
    keys = clone / ".tunesmith/keys/trusted"
    assert [file.name for file in keys.iterdir()] == [file.name for file in shelf.settings.public_keys.iterdir()]
    assert (root / "code.py").read_text() == "now"

    (clone / "code.py").write_text("gone on with")
    assert check_out(origin, shelf.settings, repository) == clone
    assert (clone / "code.py").read_text() == "gone on with"


def test_the_journal_is_a_plain_file(shelf: Shelf, commit: str, tmp_path: Path) -> None:
    origin = origin_of(shelf, publish(shelf, git_commit=commit), tmp_path / "package")
    with Place(tmp_path / "place").claimed(origin):
        assert read_json(tmp_path / "place/reproduction.json") == {
            "name": NAME,
            "version": 1,
            "digest": origin.digest,
            "stages": [],
        }
