"""Ed25519 keys and signatures (RFC 8032) of model packages."""

import base64
import binascii
import hashlib
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from components.errors import PackageError
from components.files import write_bytes


def private_key(path: Path, trusted: Path) -> Ed25519PrivateKey:
    """The key that signs; made on first use, readable by its owner alone, its public half put among the trusted ones.

    Args:
        path: PEM file of the private key.
        trusted: folder of public keys.

    Raises:
        PackageError: the file is not an Ed25519 key.
    """
    if not path.exists():
        _make_key(path, trusted)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PackageError(f"{path} cannot be read as an unencrypted private key in PEM: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PackageError(
            f"{path} is a {type(key).__name__}; packages are signed with Ed25519. "
            f"Make one: openssl genpkey -algorithm ed25519 -out {path}"
        )
    return key


def _make_key(path: Path, trusted: Path) -> None:
    """Makes a key pair. Whoever sees the private key finds it whole, and its public half among the trusted ones."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = trusted / f"{key_id(key.public_key())}.pem"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        finished = Path(scratch) / path.name
        write_bytes(finished, pem, mode=0o600)
        write_bytes(public, _public_pem(key.public_key()))
        try:
            path.hardlink_to(finished)
        except FileExistsError:  # another process made it first: theirs is the one
            public.unlink()


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """Sixteen hexadecimal digits that name a public key."""
    return hashlib.sha256(_public_pem(key)).hexdigest()[:16]


def sign(content: bytes, key: Ed25519PrivateKey) -> bytes:
    """A signature file: the key's id and the signature in base64, on one line."""
    return f"{key_id(key.public_key())} {base64.b64encode(key.sign(content)).decode()}\n".encode()


def check_signature(content: bytes, signature: bytes, trusted: Path) -> None:
    """Makes sure that a trusted key has signed the content.

    Raises:
        PackageError: unknown key, damaged signature, or the content is not what was signed.
    """
    try:
        name, encoded = signature.decode("ascii").split()
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise PackageError("The signature file is damaged: expected a key id and a base64 signature.") from None
    keys = {key_id(key): key for key in _trusted_keys(trusted)}
    if name not in keys:
        raise PackageError(
            f"The package is signed by key {name}, which is not among the {len(keys)} trusted keys in {trusted}. "
            "Put its public key there if you trust it."
        )
    try:
        keys[name].verify(raw, content)
    except InvalidSignature:
        raise PackageError(
            f"The manifest is not what key {name} has signed: the package was changed after it was sealed."
        ) from None


def _trusted_keys(folder: Path) -> list[Ed25519PublicKey]:
    keys = []
    for file in sorted(folder.glob("*.pem")):
        try:
            key = serialization.load_pem_public_key(file.read_bytes())
        except FileNotFoundError:  # of two processes that make a key at once, one takes its own away
            continue
        except ValueError as error:
            raise PackageError(f"{file} is not a public key in PEM: {error}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise PackageError(f"{file} is a {type(key).__name__}; only Ed25519 keys are used here.")
        keys.append(key)
    return keys
