import gzip
import hashlib
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from components import fetch
from components.contracts import FETCHED
from components.errors import DataError
from components.fetch import DataFile, download, unpack
from components.params import Params, load_params
from components.settings import Settings
from tests.places import REPOSITORY

CONTENT = {name: (name * 40).encode() for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")}
FILES = tuple(DataFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items())


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Says nothing of a client that went away."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of files on loopback: its address and its folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    with QuietServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: tuple[str, Path]) -> Path:
    """A workspace whose data set is two small files, published by the site, on a machine without apt."""
    root = tmp_path / "workspace"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr(fetch, "FASHION_MNIST", FILES)
    monkeypatch.setattr(fetch, "PUBLISHER", site[0])
    monkeypatch.setenv("PATH", str(tmp_path / "no_programs"))
    return root


def params(dataset: str = "fashion_mnist") -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    return default.model_copy(update={"fetch": default.fetch.model_copy(update={"dataset": dataset})})


def publish(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))


def fetched() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in FETCHED.iterdir()}


def test_the_published_sums_are_those_of_the_right_sizes() -> None:
    sizes = {file.name: file.bytes for file in fetch.FASHION_MNIST}
    assert sizes == {
        "train-images-idx3-ubyte": 16 + 60_000 * 28 * 28,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 28 * 28,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    assert all(len(file.sha256) == 64 for file in fetch.FASHION_MNIST)


def test_no_data_set_leaves_a_note(workspace: Path) -> None:
    fetch.run(params("none"), Settings())
    assert [*fetched()] == ["README.txt"]
    assert "ingest.source.path" in fetched()["README.txt"].decode()


@pytest.mark.parametrize("packed", [True, False])
def test_a_local_folder_comes_first_packed_or_not(
    workspace: Path, packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    local = workspace / "mine" / "fashion_mnist"
    publish(local)
    if not packed:
        for path in local.glob("*.gz"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    fetch.run(params(), Settings(datasets=workspace / "mine"))
    assert {name: fetched()[name] for name in CONTENT} == CONTENT
    assert json.loads(fetched()["SOURCE.json"])["sha256"] == {file.name: file.sha256 for file in FILES}
    assert "from the folder" in capsys.readouterr().out


def test_the_publisher_is_asked_next_and_nothing_is_downloaded_twice(
    workspace: Path, site: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[1])
    fetch.run(params(), Settings())
    first = fetched()
    shutil.rmtree(FETCHED)
    shutil.rmtree(site[1])
    fetch.run(params(), Settings())
    assert fetched() == first
    assert "kept by an earlier run" in capsys.readouterr().out


def test_the_result_does_not_depend_on_the_source(workspace: Path, site: tuple[str, Path]) -> None:
    publish(site[1])
    fetch.run(params(), Settings())
    downloaded = fetched()
    publish(workspace / "mine" / "fashion_mnist")
    fetch.run(params(), Settings(home=Path("another"), datasets=Path("mine")))
    assert fetched() == downloaded


def test_what_was_kept_and_is_damaged_is_fetched_again(workspace: Path, site: tuple[str, Path]) -> None:
    publish(site[1])
    fetch.run(params(), Settings())
    (Path(".tunesmith/datasets/fashion_mnist") / FILES[0].name).write_bytes(b"damaged")
    fetch.run(params(), Settings())
    assert fetched()[FILES[0].name] == CONTENT[FILES[0].name]


def test_if_all_fails_each_attempt_is_told_and_nothing_is_left(workspace: Path, site: tuple[str, Path]) -> None:
    local = workspace / "mine" / "fashion_mnist"
    publish(local)
    (local / f"{FILES[1].name}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError) as error:
        fetch.run(params(), Settings(datasets=workspace / "mine"))
    told = str(error.value)
    assert "train-labels-idx1-ubyte.gz is not the published file" in told
    assert f"{site[0]}: it cannot be reached: Client error '404" in told
    assert "Debian's package dataset-fashion-mnist: this machine has no apt-get." in told
    assert "TUNESMITH_DATASETS" in told
    assert not FETCHED.exists()
    assert not Path(".tunesmith/datasets/fashion_mnist").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "holds no train-images"),
        (b"not gzip", "cannot be unpacked"),
        (gzip.compress(CONTENT[FILES[0].name])[:-12], "cannot be unpacked"),
        (gzip.compress(bytes(10**7)), "is not the published file"),
    ],
)
def test_files_that_are_not_right_are_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / f"{FILES[0].name}.gz").write_bytes(content)
    with pytest.raises(DataError, match=told):
        unpack(tmp_path, FILES[0], tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_download_that_does_not_end_is_stopped(site: tuple[str, Path], tmp_path: Path) -> None:
    (site[1] / f"{FILES[0].name}.gz").write_bytes(bytes(10**6))
    with pytest.raises(DataError, match="larger than it may be"):
        download(site[0], FILES[:1], tmp_path)


def test_an_address_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it cannot be reached"):
        download("http://127.0.0.1:9", FILES, tmp_path)


def test_apt_that_fails_is_told_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "programs" / "apt-get"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'W: slow' >&2; echo 'E: no such package' >&2; exit 100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    with pytest.raises(DataError, match="apt-get failed: E: no such package"):
        fetch.unpack_debian("dataset-fashion-mnist", tmp_path / "scratch")


@pytest.fixture
def package_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package source in a folder, the only one that apt knows, with the two files in a package."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("this machine has no apt")
    source, tree = tmp_path / "source", tmp_path / "tree"
    publish(tree / "usr/share/datasets/fashion-mnist")
    control = (
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@localhost>\nDescription: two small files\n"
    )
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(control)
    source.mkdir()
    archive = source / "data.deb"
    subprocess.run(["dpkg-deb", "--build", tree, archive], check=True, capture_output=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    listed = f"{control}Filename: ./data.deb\nSize: {archive.stat().st_size}\nSHA256: {digest}\n"
    (source / "Packages").write_text(listed)
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n")
    configuration = f'Dir::Etc::sourcelist "{tmp_path}/sources.list";\nDir::Etc::sourceparts "-";\n'
    (tmp_path / "apt.conf").write_text(configuration)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return source


def test_debians_package_is_unpacked_with_lists_of_its_own(package_source: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    found = fetch.unpack_debian("dataset-fashion-mnist", scratch)
    assert sorted(path.name for path in found.iterdir()) == sorted(f"{name}.gz" for name in CONTENT)
    assert list((scratch / "lists").glob("*Packages*"))
