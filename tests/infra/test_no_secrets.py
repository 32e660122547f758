"""No secret is in the repository, and images are made without any."""

import re
import subprocess

from tests.places import REPOSITORY

SECRETS = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}"
    rb"|\bts_[A-Za-z0-9_-]{43}\b"  # an API key of a server
    rb"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_-]{50}"
)


def test_no_file_of_the_repository_holds_a_secret() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True).stdout
    files = [REPOSITORY / name for name in listed.decode().split("\0") if name]
    assert len(files) > 100
    assert [file for file in files if file.is_file() and SECRETS.search(file.read_bytes())] == []


def test_a_secret_would_be_found() -> None:
    for secret in (b"ts_" + b"a" * 43, b"-----BEGIN PRIVATE " + b"KEY-----\n" + b"M" * 64, b"AKIA" + b"A" * 16):
        assert SECRETS.search(b"x = '" + secret + b"'")


def test_images_are_made_from_what_is_named_alone() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    taken = {line[1:] for line in rules if line.startswith("!")}
    assert not [name for name in taken if name.startswith((".", "data", "models"))]
    for dockerfile in (REPOSITORY / "infra").glob("*.Dockerfile"):
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile.read_text(), re.MULTILINE):
            assert all(any(each.startswith(name) for name in taken) for each in sources.split()), sources
