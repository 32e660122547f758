import json
import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import PackageError
from components.package import ModelPackage, seal, verify
from components.package.manifest import MANIFEST, SIGNATURE
from components.package.model import CARD, GOLDEN, MODEL
from components.package.signing import private_key, sign
from components.settings import Settings
from tests.package_factory import make_package

PROCESSES = 4


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def package(tmp_path: Path, settings: Settings) -> Path:
    make_package(tmp_path / "package", settings)
    return tmp_path / "package"


def test_a_sealed_package_verifies_and_its_digest_is_the_manifests(package: Path, settings: Settings) -> None:
    digest = seal(package, settings.private_key, settings.public_keys)
    assert verify(package, settings.public_keys) == digest
    assert len(digest) == 64


def change_a_byte(package: Path) -> None:
    content = bytearray((package / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (package / MODEL).write_bytes(content)


def forge_the_manifest(package: Path) -> None:
    """Changes a file and its entry in the manifest, as somebody without the key would."""
    (package / CARD).write_text("This model is perfect.\n")
    manifest = json.loads((package / MANIFEST).read_bytes())
    manifest["files"][CARD] = {"bytes": 23, "sha256": "0" * 64}
    (package / MANIFEST).write_text(json.dumps(manifest))


def replace_by_a_link(package: Path) -> None:
    content = (package / CARD).rename(package.parent / "elsewhere.md")
    (package / CARD).symlink_to(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda package: (package / GOLDEN).unlink(), f"{GOLDEN} is missing"),
        (lambda package: (package / "more.py").write_text("pass"), "more.py does not belong to the package"),
        (lambda package: (package / "deep").mkdir() or (package / "deep" / "x").touch(), "deep/x does not belong"),
        (change_a_byte, f"{MODEL} is damaged"),
        (forge_the_manifest, "changed after it was sealed"),
        (replace_by_a_link, "is a link"),
        (lambda package: (package / SIGNATURE).unlink(), "not a sealed package"),
        (lambda package: (package / MANIFEST).unlink(), "not a sealed package"),
        (lambda package: (package / SIGNATURE).write_bytes(b""), "signature file is damaged"),
        (lambda package: (package / SIGNATURE).write_bytes(b"\xff\xfe \x00"), "signature file is damaged"),
        (lambda package: (package / SIGNATURE).write_text("0123456789abcdef AAAA"), "not among the 1 trusted keys"),
    ],
)
def test_any_change_is_found_and_named(
    package: Path, settings: Settings, damage: Callable[[Path], object], words: str
) -> None:
    damage(package)
    with pytest.raises(PackageError, match=words):
        verify(package, settings.public_keys)


def test_a_signature_by_the_right_key_over_something_else_does_not_hold(package: Path, settings: Settings) -> None:
    signature = (package / SIGNATURE).read_bytes()
    (package / CARD).write_text("Another card.\n")
    seal(package, settings.private_key, settings.public_keys)
    (package / SIGNATURE).write_bytes(signature)
    with pytest.raises(PackageError, match="changed after it was sealed"):
        verify(package, settings.public_keys)


def test_a_package_of_a_stranger_is_refused_until_the_key_is_trusted(
    package: Path, settings: Settings, tmp_path: Path
) -> None:
    stranger = Settings(home=tmp_path / "stranger")
    make_package(tmp_path / "theirs", stranger)
    private_key(settings.private_key, settings.public_keys)
    with pytest.raises(PackageError, match="Put its public key there if you trust it"):
        verify(tmp_path / "theirs", settings.public_keys)
    for key in stranger.public_keys.iterdir():
        (settings.public_keys / key.name).write_bytes(key.read_bytes())
    verify(tmp_path / "theirs", settings.public_keys)


def sign_manifest(package: Path, settings: Settings, content: bytes) -> None:
    (package / MANIFEST).write_bytes(content)
    (package / SIGNATURE).write_bytes(sign(content, private_key(settings.private_key, settings.public_keys)))


def test_a_newer_format_is_refused(package: Path, settings: Settings) -> None:
    sign_manifest(package, settings, b'{"format": 2, "files": []}')
    with pytest.raises(PackageError, match="format 2"):
        verify(package, settings.public_keys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "as a whole: "),
        (b"{}", "format: Field required"),
        (b"{", "as a whole: Invalid JSON"),
        (b"\xff", "as a whole: Invalid JSON"),
        (b'{"format": 1, "files": []}', "as a whole: "),
        (b'{"format": 1, "files": {"card.md": {"bytes": 1}}}', "card.md.sha256: Field required"),
        (b'{"format": 1, "files": {"card.md": 7}}', "card.md: "),
    ],
)
def test_a_signed_file_that_is_no_manifest_is_a_sentence(
    package: Path, settings: Settings, content: bytes, words: str
) -> None:
    sign_manifest(package, settings, content)
    with pytest.raises(PackageError, match=re.escape(f"The signed {MANIFEST} is no manifest of tunesmith ({words}")):
        verify(package, settings.public_keys)


def test_parts_that_cannot_be_read_are_a_sentence(package: Path) -> None:
    (package / GOLDEN).write_bytes(b"\x08")
    with pytest.raises(PackageError, match="not a complete model package"):
        ModelPackage.read(package)


def test_the_private_key_is_its_owners_alone(package: Path, settings: Settings) -> None:
    assert settings.private_key.stat().st_mode & 0o077 == 0
    assert settings.private_key.parent.stat().st_mode & 0o077 == 0


def test_a_key_of_another_kind_is_refused(settings: Settings) -> None:
    settings.private_key.parent.mkdir(parents=True)
    settings.private_key.write_text("not a key")
    with pytest.raises(PackageError, match="cannot be read as an unencrypted private key"):
        private_key(settings.private_key, settings.public_keys)


def sign_something(home: Path, ready: "multiprocessing.synchronize.Barrier", name: str) -> None:
    settings = Settings(home=home)
    folder = home.parent / name
    folder.mkdir()
    (folder / "file").write_text(name)
    ready.wait()
    seal(folder, settings.private_key, settings.public_keys)
    verify(folder, settings.public_keys)


def test_processes_that_make_the_key_at_once_agree_on_one(settings: Settings) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        home = settings.home.parent / f"home-{attempt}"
        ready = context.Barrier(PROCESSES)
        signers = [
            context.Process(target=sign_something, args=(home, ready, f"{attempt}-{number}"))
            for number in range(PROCESSES)
        ]
        for signer in signers:
            signer.start()
        for signer in signers:
            signer.join()
        assert [signer.exitcode for signer in signers] == [0] * PROCESSES
        assert len(list(Settings(home=home).public_keys.glob("*.pem"))) == 1
