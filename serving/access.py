"""Who may ask what, and how often."""

import logging
import math
import os
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from starlette.requests import Request

from components.api_keys import ApiKey, Role, digest, key_files, read_key
from components.errors import SettingsError
from serving.errors import RequestError
from serving.quota import Quotas

READ_SECONDS = 1.0
BURST_SECONDS = 2.0
"""A key that was silent for so long may ask so much at once."""

NEXT_STEP = (
    "Make a key (`tunesmith keys add <name>`), or say with TUNESMITH_KEYS_REQUIRED=false that something before the"
    " server knows who asks."
)

log = logging.getLogger("tunesmith.serving")


@dataclass
class Bucket:
    """A token bucket: how many requests a key may send at this moment.

    Attributes:
        rate: requests a second.
        tokens: requests that it may send at once.
        at: when they were counted, on the clock of time.monotonic().
    """

    rate: float
    tokens: float
    at: float = field(default_factory=time.monotonic)

    @classmethod
    def full(cls, rate: float) -> "Bucket":
        """A key that has sent nothing for a while."""
        return cls(rate, max(1.0, BURST_SECONDS * rate))

    def take(self) -> float:
        """Takes one request, and gives 0; or gives the seconds after which there will be one."""
        now = time.monotonic()
        self.tokens = min(self.tokens + (now - self.at) * self.rate, max(1.0, BURST_SECONDS * self.rate))
        self.at = now
        if self.tokens < 1.0:
            return (1.0 - self.tokens) / self.rate
        self.tokens -= 1.0
        return 0.0


class Access:
    """Knows the keys of a folder, as they are now.

    A worker has its share of a key's rate: the kernel spreads connections over the workers.

    Args:
        folder: of the keys.
        quotas: folder in which the requests of a day are counted.
        workers: of the server.
        required: whether nobody may ask while there is no folder of keys at all.
        guarded: whether something before the server asks who it is, where no key is required.
    """

    def __init__(self, folder: Path, quotas: Path, workers: int, *, required: bool, guarded: bool) -> None:
        self._quotas, self._guarded = Quotas(quotas), guarded
        self._folder, self._workers, self._required = folder, workers, required
        self._keys: dict[str, ApiKey] = {}
        self._faults: list[str] = []
        self._buckets: dict[str, Bucket] = {}
        self._stop = threading.Event()

    @property
    def asks_for_keys(self) -> bool:
        """Whether who has no key is refused."""
        return self._required

    def start(self) -> None:
        """Reads the keys, and goes on reading them in a thread."""
        self.look()
        threading.Thread(target=self._run, name="keys", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(READ_SECONDS):
            self.look()

    def look(self) -> None:
        """Reads the keys anew; a damaged one is no key. Never raises.

        Once there is a folder of keys, nobody may ask without one, be it empty or unreadable by now.
        """
        keys, faults = dict[str, ApiKey](), list[str]()
        try:
            self._required = self._required or os.path.lexists(self._folder)
            for file in key_files(self._folder):
                self._read(file, keys, faults)
        except OSError as error:
            self._required = True
            faults.append(f"The API keys cannot be read: {error}")
        self._keys = keys
        for fault in set(faults) - set(self._faults):
            log.warning("%s", fault)
        self._faults = faults

    def _read(self, file: Path, keys: dict[str, ApiKey], faults: list[str]) -> None:
        try:
            if key := read_key(file):
                keys[key.sha256] = key
        except SettingsError as error:
            faults.append(str(error))

    def admit(self, request: Request, role: Role) -> None:
        """Lets a request pass, or refuses it.

        Args:
            request: with its key as ``Authorization: Bearer`` or as ``X-API-Key``.
            role: that it needs; an admin may ask everything.

        Raises:
            RequestError: no key (401), a wrong one (401), one that may not (403), or one that asks too often (429); a
                page of another site, where no key is required (403).
        """
        if not self._required:
            if not self._guarded:
                _refuse_other_sites(request)
            return
        key = self._keys.get(digest(_given(request)))
        if key is None:
            raise RequestError(
                401,
                "This server answers who has a key: send it as Authorization: Bearer …, or as X-API-Key. "
                "`tunesmith keys add <name>` makes one.",
                {"WWW-Authenticate": "Bearer"},
            )
        if role == "admin" and key.role != "admin":
            raise RequestError(403, f"The key '{key.name}' may ask and correct; this needs one made with --admin.")
        self._count(key)

    def _count(self, key: ApiKey) -> None:
        if key.per_second is not None and (wait := self._bucket(key, key.per_second).take()):
            raise _too_often(key, f"{key.per_second:g} times a second", wait)
        if key.per_day is not None and (wait := self._quota(key, key.per_day)):
            raise _too_often(key, f"{key.per_day:,} times a day, until midnight UTC", wait)

    def _quota(self, key: ApiKey, per_day: int) -> float:
        try:
            return self._quotas.take(key.name, per_day)
        except OSError as error:
            log.warning("The requests of key '%s' cannot be counted: %s", key.name, error)
            sentence = "This key has a quota, and its requests cannot be counted now; ask again in a second."
            raise RequestError(503, sentence, {"Retry-After": "1"}) from None

    def _bucket(self, key: ApiKey, per_second: float) -> Bucket:
        rate = per_second / self._workers
        bucket = self._buckets.get(key.sha256)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key.sha256] = Bucket.full(rate)
        return bucket


def _refuse_other_sites(request: Request) -> None:
    """Refuses what a browser of this machine asks for a page from elsewhere, which nobody here has meant to let in.

    Such a page says so itself (Fetch Metadata), unless its own name was turned into an address of this machine's.

    Raises:
        RequestError: it is such a request (403).
    """
    headers = request.headers
    if headers.get("sec-fetch-site") == "cross-site" and request.method == "POST":
        raise RequestError(403, f"A page of another site asks, and no key is wanted here. {NEXT_STEP}")
    if _is_public_name(headers.get("host", "")):
        raise RequestError(403, f"This server answers to no public name while no key is wanted. {NEXT_STEP}")


@lru_cache(maxsize=64)
def _is_public_name(host: str) -> bool:
    """Whether a Host is a name that somebody elsewhere can give to any address: neither an address nor one of here."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return "." in name.rstrip(".") and not name.rstrip(".").lower().endswith(".localhost")
    return False


def _too_often(key: ApiKey, often: str, wait: float) -> RequestError:
    seconds = math.ceil(wait)
    sentence = f"The key '{key.name}' may ask {often}; ask again in {seconds} s."
    return RequestError(429, sentence, {"Retry-After": str(seconds)})


def _given(request: Request) -> str:
    """The key of a request; empty: there is none."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
