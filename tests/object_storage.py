"""An S3 server of a test's own: SeaweedFS on loopback, with one bucket and one pair of keys."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from flows.ports import LOOPBACK, free_port

BUCKET = "team"
ACCESS_KEY = "tunesmith"
SECRET_KEY = "kept-by-the-test"
IDENTITY = {
    "name": "test",
    "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
}
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class ObjectStorage:
    """A running server.

    Attributes:
        endpoint: its address.
        log: what it says.
    """

    endpoint: str
    log: Path

    @property
    def credentials(self) -> dict[str, str]:
        """The environment in which libraries may use it."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """S3's own client, to look into the bucket."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 1}),
        )

    def names(self, prefix: str = "") -> list[str]:
        """The objects of the bucket whose names begin so."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@contextmanager
def object_storage(folder: Path) -> Iterator[ObjectStorage]:
    """Runs a server whose state is in a folder; it ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ("s3", "master", "volume", "filer")
    ports = {f"{part}.port{kind}": free_port() for part in parts for kind in ("", ".grpc")}
    storage = ObjectStorage(f"http://{LOOPBACK}:{ports['s3.port']}", folder / "weed.log")
    (folder / "s3.json").write_text(json.dumps({"identities": [IDENTITY]}))
    command = [
        str(Path(sys.executable).parent / "weed"),
        "server",
        f"-dir={folder}",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        "-master.telemetry=false",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
        "-s3.port.iceberg=0",  # these two would be at ports of their own, the same for every server of the machine
        "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with storage.log.open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        _make_bucket(storage, server)
        yield storage
    finally:
        server.kill()
        server.wait()


def _make_bucket(storage: ObjectStorage, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            storage.client().create_bucket(Bucket=BUCKET)
            storage.client().put_object(Bucket=BUCKET, Key="ready", Body=b"")  # a volume is there to take it
        except (BotoCoreError, ClientError):
            assert server.poll() is None, storage.log.read_text()
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            storage.client().delete_object(Bucket=BUCKET, Key="ready")
            return
