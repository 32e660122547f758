"""The manifest of a package: the sha256 of every file, signed."""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from components.errors import PackageError
from components.files import file_sha256, write_bytes, write_json
from components.package.signing import check_signature, private_key, sign

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
FORMAT = 1


class _Manifest(BaseModel):
    """What every format has in common."""

    format: int
    files: Any


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


FILES = TypeAdapter(dict[str, _File])


def seal(folder: Path, key: Path, trusted: Path) -> str:
    """Writes the manifest and its signature; afterwards no file of the folder may change.

    Args:
        folder: the finished package.
        key: PEM file of the private key, made on first use.
        trusted: folder of public keys, where a new key's public half is put.

    Returns:
        The digest of the package: sha256 of its manifest, in hexadecimal.

    Raises:
        PackageError: the key cannot be used, or the folder holds something else than plain files.
    """
    write_json(folder / MANIFEST, {"format": FORMAT, "files": _listing(folder)})
    content = (folder / MANIFEST).read_bytes()
    write_bytes(folder / SIGNATURE, sign(content, private_key(key, trusted)))
    return hashlib.sha256(content).hexdigest()


def verify(folder: Path, trusted: Path) -> str:
    """Makes sure that a package is whole, unchanged and signed by a trusted key.

    Returns:
        The digest of the package.

    Raises:
        PackageError: it is not; says which file, or what about the signature.
    """
    content = signed_manifest(folder, trusted)
    _compare(declared_files(content), _listing(folder), folder)
    return hashlib.sha256(content).hexdigest()


def signed_manifest(folder: Path, trusted: Path) -> bytes:
    """The manifest, once its signature was found to be a trusted key's; the other files need not be there yet.

    Raises:
        PackageError: it is not there, or not signed so.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        signature = (folder / SIGNATURE).read_bytes()
    except OSError as error:
        raise PackageError(
            f"{folder} is not a sealed package: {error.filename} cannot be read ({error.strerror})."
        ) from None
    check_signature(content, signature, trusted)
    return content


def declared_files(manifest: bytes) -> dict[str, Any]:
    """The files that a manifest lists: name, relative to the package -> ``bytes`` and ``sha256``.

    Raises:
        PackageError: the manifest is of another format, or of none.
    """
    try:
        content = _Manifest.model_validate_json(manifest)
        if content.format != FORMAT:
            raise PackageError(
                f"The package is of format {content.format}; this version of tunesmith reads format {FORMAT}. "
                "Use the version that made it."
            )
        return {name: file.model_dump() for name, file in FILES.validate_python(content.files).items()}
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise PackageError(
            f"The signed {MANIFEST} is no manifest of tunesmith ({place}: {first['msg']}). Register the model again."
        ) from None


def _compare(declared: dict[str, Any], found: dict[str, Any], folder: Path) -> None:
    for name in sorted(declared.keys() | found.keys()):
        if name not in found:
            raise PackageError(f"{folder}: {name} is missing, though the manifest lists it.")
        if name not in declared:
            raise PackageError(f"{folder}: {name} does not belong to the package; the manifest does not list it.")
        if declared[name] != found[name]:
            raise PackageError(
                f"{folder}: {name} is damaged: {_described(found[name])}, expected {_described(declared[name])}."
            )


def _described(entry: dict[str, Any]) -> str:
    return f"{entry['bytes']} bytes with sha256 {entry['sha256'][:12]}…"


def _listing(folder: Path) -> dict[str, Any]:
    listing = {}
    for file in sorted(folder.rglob("*")):
        if file.is_symlink():
            raise PackageError(f"{file} is a link; a package holds plain files only.")
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in (MANIFEST, SIGNATURE):
            listing[name] = {"bytes": file.stat().st_size, "sha256": file_sha256(file)}
    return listing
