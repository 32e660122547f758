"""Stage fetch: the public data set that params.yaml names, in ``data/fetched``.

Reads nothing but the outside world. Writes the data set's files and SOURCE.json: whose they are, and their sums.

Guarantees that the content of each file, unpacked, has the sha256 stated here. Mirrors pack the same content into
different .gz files (Debian's differ from the publisher's in their headers), so the unpacked content is what is checked
and kept, and ``data/fetched`` is the same, byte for byte, from wherever it came.

Sources, in this order: what an earlier run has kept in the home folder, the folder ``TUNESMITH_DATASETS``, the
publisher's address, and Debian's package, downloaded and unpacked below the home folder but not installed.
"""

import gzip
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from components.contracts import FETCHED
from components.errors import DataError
from components.files import whole_folder, write_json, write_text
from components.params import Params
from components.progress import progress
from components.settings import Settings
from components.stage import run_stage

PUBLISHER = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
CONNECT_SECONDS, READ_SECONDS, APT_SECONDS = 4.0, 15.0, 300.0
PIECE = 2**16
NOTE = "fetch.dataset is none in params.yaml: the data is your own, and ingest.source.path says where it lies.\n"
# The private lists make this work where `apt-get update` was never run; the hooks would write outside the folder.
APT_CONFIGURATION = """
Dir::State "{folder}/state";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True)
class DataFile:
    """One file of a data set, as it must be once it is unpacked."""

    name: str
    bytes: int
    sha256: str


FASHION_MNIST = (
    DataFile("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    DataFile("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    DataFile("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    DataFile("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/fetched``.

    Raises:
        DataError: no source could give the data set; one sentence about each.
    """
    with whole_folder(FETCHED) as folder:
        if params.fetch.dataset == "none":
            write_text(folder / "README.txt", NOTE)
            print("No public data set is asked for.")
            return
        kept = settings.home / "datasets" / "fashion_mnist"
        origin = _obtain(kept, _attempts(kept, settings.datasets))
        for file in FASHION_MNIST:
            shutil.copyfile(kept / file.name, folder / file.name)
        write_json(folder / "SOURCE.json", _source())
    print(f"Fashion-MNIST, {len(FASHION_MNIST)} files, sums hold; from {origin}.")


def _source() -> dict[str, object]:
    return {
        "data_set": "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747)",
        "publisher": PUBLISHER,
        "copyright": "2017 Zalando SE",
        "licence": "MIT",
        "sha256": {file.name: file.sha256 for file in FASHION_MNIST},
    }


@dataclass(frozen=True)
class Attempt:
    """One place to look.

    Attributes:
        origin: how it is called.
        find: takes an empty folder for its own use, returns the folder where the files lie, packed or not.
    """

    origin: str
    find: Callable[[Path], Path]


def _attempts(kept: Path, datasets: Path | None) -> Iterator[Attempt]:
    if kept.exists():
        yield Attempt(f"{kept}, kept by an earlier run", lambda _: kept)
    if datasets is not None:
        local = datasets / "fashion_mnist"
        yield Attempt(f"the folder {local}", lambda _: local)
    yield Attempt(PUBLISHER, lambda scratch: download(PUBLISHER, FASHION_MNIST, scratch))
    yield Attempt(f"Debian's package {DEBIAN_PACKAGE}", lambda scratch: unpack_debian(DEBIAN_PACKAGE, scratch))


def _obtain(kept: Path, attempts: Iterator[Attempt]) -> str:
    """Puts the verified files into ``kept`` and says where they came from."""
    faults = []
    for attempt in attempts:
        try:
            _keep(attempt, kept)
        except DataError as error:
            faults.append(f"  {attempt.origin}: {error}")
            print(f"{attempt.origin}: {error} Looking elsewhere.", file=sys.stderr)
        else:
            return attempt.origin
    raise DataError(
        "Fashion-MNIST could not be fetched from anywhere:\n" + "\n".join(faults) + "\nPut its four files "
        f"({', '.join(file.name for file in FASHION_MNIST)}; plain or .gz) into a folder fashion_mnist, set "
        "TUNESMITH_DATASETS to the folder that holds it, and run again."
    )


def _keep(attempt: Attempt, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetch.") as scratch:
        found = attempt.find(Path(scratch))
        with whole_folder(kept) as fresh:
            for file in FASHION_MNIST:
                unpack(found, file, fresh / file.name)


def unpack(folder: Path, file: DataFile, target: Path) -> None:
    """Copies a file out of a folder where it lies plain or gzipped, and checks it.

    Raises:
        DataError: it is missing, damaged, or not what its sha256 says.
    """
    path = next((path for path in (folder / file.name, folder / f"{file.name}.gz") if path.is_file()), None)
    if path is None:
        raise DataError(f"it holds no {file.name}, plain or .gz.")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(file.bytes + 1)  # one more than there must be: a bomb is not unpacked
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}.") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{path.name} is not the published file: its content's sha256 is not {file.sha256[:12]}….")
    target.write_bytes(content)


def download(address: str, files: tuple[DataFile, ...], folder: Path) -> Path:
    """Downloads the .gz files of a data set, with short timeouts.

    Raises:
        DataError: the address cannot be reached, or gives an error.
    """
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        with httpx.Client(timeout=timeout) as client:
            for file in files:
                _stream(client, f"{address}/{file.name}.gz", folder / f"{file.name}.gz", file.bytes)
    except httpx.HTTPError as error:
        raise DataError(f"it cannot be reached: {error or type(error).__name__}.") from None
    return folder


def _stream(client: httpx.Client, address: str, target: Path, largest: int) -> None:
    with client.stream("GET", address) as answer, target.open("wb") as file:
        answer.raise_for_status()
        size = int(answer.headers.get("content-length", largest))
        with progress(f"downloading {target.name}", size) as advance:
            for piece in answer.iter_raw(PIECE):
                file.write(piece)
                advance(len(piece))
                if file.tell() > largest:
                    raise DataError(f"{target.name} is larger than it may be ({largest} bytes unpacked).")


def unpack_debian(package: str, scratch: Path) -> Path:
    """Downloads a Debian package and unpacks it, without root and without installing; apt checks its signature.

    Raises:
        DataError: this machine has no apt, or apt cannot get the package.
    """
    for name in ("lists/partial", "state", "cache/archives/partial"):
        (scratch / name).mkdir(parents=True)
    configuration = scratch / "apt.conf"
    write_text(configuration, APT_CONFIGURATION.format(folder=scratch.resolve()))
    apt = ["apt-get", "--quiet=2", f"--config-file={configuration.resolve()}"]
    _command([*apt, "update"], scratch)
    _command([*apt, "download", package], scratch)
    archive = next(scratch.glob("*.deb"))
    _command(["dpkg-deb", "--extract", archive.name, "content"], scratch)
    return scratch / "content/usr/share/datasets/fashion-mnist"


def _command(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=APT_SECONDS, check=False)
    except FileNotFoundError:
        raise DataError(f"this machine has no {command[0]}.") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"{command[0]} did not end within {APT_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
        raise DataError(f"{command[0]} failed: {lines[-1]}.")


if __name__ == "__main__":
    run_stage("fetch", run)
