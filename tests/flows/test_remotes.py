"""DVC's default remote on the toy line: what is pulled, what is pushed, and what is said where it cannot be."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import RemoteError
from components.settings import Settings
from flows import remotes
from flows.graph import open_graph
from flows.ports import free_port
from flows.reproduction.sources import read_lock
from flows.why import explain
from tests.flows.toy import begun, edit, repro, tunesmith
from tests.object_storage import BUCKET, SECRET_KEY, ObjectStorage, object_storage

DEPENDS_ON_RAW = "    deps: [components/toy.py, data/raw]\n    params: [seed]"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    with object_storage(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def settings() -> Settings:
    return Settings(home=Path(".tunesmith"))


def name_remote(root: Path, url: str, **options: str) -> None:
    """As ``dvc remote add --default`` does."""
    lines = "".join(f"    {name} = {value}\n" for name, value in {"url": url, **options}.items())
    with (root / ".dvc/config").open("a", encoding="utf-8") as config:
        config.write(f"    remote = team\n['remote \"team\"']\n{lines}")


def second_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What git would bring to another machine; the working directory is there from now on."""
    second = root.parent / "second"
    shutil.copytree(root, second, ignore=shutil.ignore_patterns("cache", "tmp", "data", ".tunesmith", "begun.log"))
    (second / "data").mkdir()
    for file in (root / "data").glob("*.dvc"):
        shutil.copy(file, second / "data")
    monkeypatch.chdir(second)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(second / ".tunesmith/dvc"))
    return second


def quiet(said: str) -> None:
    """Hears nothing."""


def test_without_a_remote_nothing_is_pulled_or_pushed(line: Path, settings: Settings) -> None:
    assert not remotes.named()
    assert not remotes.unsent(settings)
    shutil.rmtree("data/model")
    with open_graph() as graph:
        assert graph.lacking() == ()
        assert graph.changes("model")


@pytest.mark.slow
def test_what_is_pushed_on_one_machine_is_all_that_another_needs(
    line: Path, settings: Settings, storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in storage.credentials.items():
        monkeypatch.setenv(name, value)
    name_remote(line, f"s3://{BUCKET}/toy", endpointurl=storage.endpoint)
    told: list[str] = []
    assert remotes.unsent(settings)
    sentence = remotes.push(settings, told.append)
    assert sentence == f"Pushed to remote team (s3://{BUCKET}/toy): source, champion, model, score; 0.0 MB."
    assert [line.partition(",")[0] for line in told] == ["source", "champion", "model", "score"]
    assert not remotes.unsent(settings)
    assert remotes.push(settings, told.append) == f"remote team (s3://{BUCKET}/toy) has everything."

    second = second_machine(line, monkeypatch)
    edit(second / "params.yaml", "  epochs: 6", "  epochs: 7")
    with open_graph() as graph:
        states = {one.stage: one.state for one in explain(graph, Path("none"))}
    assert states == {"source": "may run", "champion": "may run", "model": "will run", "score": "will run"}
    remotes.pull(settings, told.append)
    assert (second / "data/source/value").exists()
    assert not (second / "data/model").exists(), "what is made anew is not pulled"
    repro(second)
    assert begun(second) == ["model", "score"]


def test_data_of_a_dvc_file_are_pulled_by_the_stage_that_reads_them(
    line: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_remote(line, str(line.parent / "remote"))
    edit(line / "dvc.yaml", "    deps: [components/toy.py]\n    params: [seed]", DEPENDS_ON_RAW)
    (line / "data/raw").mkdir()
    (line / "data/raw/row.csv").write_text("1,2\n")
    add(line, "data/raw")
    repro(line)
    remotes.push(settings, quiet)

    second = second_machine(line, monkeypatch)
    remotes.pull(settings, quiet)
    assert not Path("data/raw").exists(), "what was made of them is enough"
    with open_graph() as graph:
        assert not any(graph.changes(stage.name) for stage in graph.stages)

    edit(second / "params.yaml", "seed: 7", "seed: 8")
    remotes.pull(settings, quiet)
    assert Path("data/raw/row.csv").read_text() == "1,2\n"


def add(root: Path, path: str) -> None:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        repo.add([path])


def test_what_the_remote_does_not_have_is_made_anew(
    line: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_remote(line, str(line.parent / "remote"))
    remotes.push(settings, quiet)
    (out,) = read_lock(line)["model"]["outs"]
    (line.parent / "remote/files/md5" / out["md5"][:2] / out["md5"][2:]).unlink()
    second_machine(line, monkeypatch)
    sentence = remotes.pull(settings, quiet)
    assert sentence.endswith(f"remote team ({line.parent / 'remote'}) has nothing of model.")
    with open_graph() as graph:
        assert [stage.name for stage in graph.stages if graph.changes(stage.name)] == ["model"]


def test_a_folder_that_is_not_mounted_is_not_taken_for_an_empty_one(line: Path, settings: Settings) -> None:
    folder = line.parent / "remote"
    name_remote(line, str(folder))
    remotes.push(settings, quiet)
    folder.rename(line.parent / "elsewhere")
    folder.mkdir()
    shutil.rmtree(line / "data/model")
    shutil.rmtree(line / ".dvc/cache")
    for step in (remotes.pull, remotes.push):
        with pytest.raises(RemoteError, match=r"has taken what was made before, and is not there: is it mounted\?"):
            step(settings, quiet)
    edit(line / ".dvc/config", f"url = {folder}", f"url = {line.parent / 'other'}")
    assert "has nothing of" in remotes.pull(settings, quiet), "another one has taken nothing yet"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"endpointurl": "http://127.0.0.1:1"}, "Could not connect to the endpoint URL"),  # nobody listens there
        ({"secret_access_key": "wrong", "access_key_id": "tunesmith"}, "Forbidden"),
        ({"url": "s3://no-such-bucket/toy"}, "The specified bucket does not exist"),
    ],
)
def test_a_remote_that_does_not_take_it(
    line: Path,
    settings: Settings,
    storage: ObjectStorage,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, str],
    said: str,
) -> None:
    for name, value in storage.credentials.items():
        monkeypatch.setenv(name, value)
    name_remote(line, **({"url": f"s3://{BUCKET}/toy", "endpointurl": storage.endpoint} | fault))
    with pytest.raises(RemoteError) as refusal:
        remotes.push(settings, quiet)
    sentence = str(refusal.value)
    assert sentence.startswith(
        "What was made is kept here, but source, champion, model, score may not be in remote team"
    )
    assert said in sentence
    assert sentence.endswith("The next 'tunesmith run' pushes it, and so does 'dvc push'.")
    assert SECRET_KEY not in sentence
    assert remotes.unsent(settings)


@pytest.mark.slow
def test_a_run_that_cannot_pull_says_so_and_begins_nothing(line: Path) -> None:
    name_remote(line, f"s3://{BUCKET}/toy", endpointurl=f"http://127.0.0.1:{free_port()}")
    before = begun(line)
    shutil.rmtree(line / "data/model")
    shutil.rmtree(line / ".dvc/cache")
    ran = tunesmith(line, "run", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1")
    assert ran.returncode == 1
    assert "is not here, and cannot be pulled from remote team (s3://team/toy): Could not connect" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert begun(line) == before
