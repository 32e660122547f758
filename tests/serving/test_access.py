"""API keys: hashed at rest, changed while the server runs, with limits of their own; on a real server."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from components.api_keys import ApiKey, digest, make_key, read_keys, remove_key
from components.errors import PromotionRefused, SettingsError
from components.presence import FILE
from components.promote import promote
from components.settings import Settings
from serving.access import Bucket
from tests.serving.running import Running, running, wait_for
from tests.serving.test_swap import ONE
from tests.shelf import NAME, Shelf

ASK, CORRECT = ("/predict", *ONE), ("/feedback", b"{}", {"Content-Type": "application/json"})


@pytest.fixture
def locked(shelf: Shelf, tmp_path: Path) -> Iterator[Running]:
    """A server that wants keys, and has none."""
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path, keys_required=True) as server:
        yield server


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def status(server: Running, path: str, content: bytes, headers: dict[str, str], key: str = "") -> int:
    return server.post(path, content, headers | (bearer(key) if key else {})).status_code


def test_keys_are_made_limited_and_taken_away_while_the_server_runs(shelf: Shelf, locked: Running) -> None:
    assert status(locked, *ASK) == 401, "no key at all"
    folder = shelf.settings.key_folder
    key = make_key(folder, "shop", "predict", None)
    wait_for(lambda: status(locked, *ASK, key) == 200, "the key is known")
    assert locked.post(*ASK[:2], {**ASK[2], "X-API-Key": key}).status_code == 200
    assert status(locked, *CORRECT, key) == 422, "it was let in, and read"

    refused = locked.post(*ASK[:2], {**ASK[2], **bearer(key[:-1])})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert "tunesmith keys add" in refused.json()["error"]
    assert status(locked, *CORRECT) == 401

    for path in ("/model", "/metrics"):
        assert locked.get(path).status_code == 401
        assert locked.get(path, headers=bearer(key)).status_code == 403
    admin = make_key(folder, "prometheus", "admin", None)
    wait_for(lambda: locked.get("/metrics", headers=bearer(admin)).status_code == 200, "the admin")
    assert locked.get("/model", headers=bearer(admin)).json()["name"] == NAME
    assert {locked.get(path).status_code for path in ("/", "/livez", "/readyz")} == {200}, "nothing to hide"

    remove_key(folder, "shop")
    wait_for(lambda: status(locked, *ASK, key) == 401, "the key is forgotten")


def test_a_server_that_was_open_is_closed_by_its_first_key_and_stays_closed(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    with running(shelf.settings, tmp_path) as server:
        assert status(server, *ASK) == 200
        make_key(shelf.settings.key_folder, "shop", "predict", None)
        wait_for(lambda: status(server, *ASK) == 401, "the first key")
        remove_key(shelf.settings.key_folder, "shop")
        time.sleep(1.5)
        assert status(server, *ASK) == 401, "who takes a leaked key away must not open the server to all"
        shelf.settings.key_folder.rmdir()
        time.sleep(1.5)
        assert status(server, *ASK) == 401, "nor does a mount that went away"


def test_a_key_that_asks_too_often_is_told_when_to_come_back(shelf: Shelf, locked: Running) -> None:
    slow = make_key(shelf.settings.key_folder, "slow", "predict", 2.0)
    other = make_key(shelf.settings.key_folder, "other", "predict", None)
    wait_for(lambda: status(locked, *ASK, other) == 200, "the keys are known")
    for _ in range(4):
        assert status(locked, *ASK, slow) == 200, "what it may ask after a while of silence"
    refused: list[httpx.Response] = []

    def too_often() -> bool:  # a server that was held up for seconds may be asked more again
        refused.append(locked.post(*ASK[:2], {**ASK[2], **bearer(slow)}))
        return refused[-1].status_code == 429

    wait_for(too_often, "a refusal")
    late = refused[-1]
    assert late.headers["Retry-After"] == "1"
    assert late.json()["error"].startswith("The key 'slow' may ask 2 times a second; ask again in")
    assert status(locked, *ASK, other) == 200, "the others do not wait for it"
    time.sleep(1.1)
    assert status(locked, *ASK, slow) == 200


def test_a_damaged_key_file_leaves_the_others_as_they_were(shelf: Shelf, locked: Running) -> None:
    key = make_key(shelf.settings.key_folder, "shop", "predict", None)
    wait_for(lambda: status(locked, *ASK, key) == 200, "the key is known")
    (shelf.settings.key_folder / "broken.json").write_text("{")
    wait_for(lambda: locked.said("broken.json is no API key"), "the damaged key is told")
    assert status(locked, *ASK, key) == 200


def test_a_server_of_this_machine_is_waited_for_without_a_key_and_one_elsewhere_with_one(
    shelf: Shelf, locked: Running
) -> None:
    second = shelf.publish(3.0)
    assert promote(shelf.settings, NAME, second, 1, "better").servers == (locked.address,)
    (record,) = (shelf.settings.home / "serving").glob(f"*/{FILE}")
    record.unlink()  # from here on it is known by its address alone
    elsewhere = shelf.settings.model_copy(update={"servers": locked.address, "promotion_seconds": 0.5})
    third = shelf.publish(6.0)
    with pytest.raises(PromotionRefused, match="401"):
        promote(elsewhere, NAME, third, second, "without a key")
    admin = make_key(shelf.settings.key_folder, "mover", "admin", None)
    wait_for(lambda: locked.get("/model", headers=bearer(admin)).status_code == 200, "the key is known")
    given = Settings(home=shelf.settings.home, servers=locked.address, server_key=admin)  # type: ignore[arg-type]
    assert promote(given, NAME, third, second, "with a key").servers == (locked.address,)


def test_only_a_hash_is_kept(tmp_path: Path) -> None:
    key = make_key(tmp_path, "shop", "predict", 5.0)
    (kept,) = read_keys(tmp_path)
    assert kept == ApiKey.model_validate_json((tmp_path / "shop.json").read_text())
    assert kept.sha256 == digest(key)
    assert key not in (tmp_path / "shop.json").read_text()
    assert len(key) > 40
    assert key != make_key(tmp_path, "other", "predict", None)


@pytest.mark.parametrize("name", ["", "../up", "Shop", "a b", "-a", "a" * 65])
def test_a_name_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="small letters, digits and hyphens"):
        make_key(tmp_path, name, "predict", None)


def test_a_name_is_used_once_and_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    make_key(tmp_path, "shop", "predict", None)
    with pytest.raises(SettingsError, match="There is a key 'shop' already"):
        make_key(tmp_path, "shop", "admin", None)
    with pytest.raises(SettingsError, match=r"There is no key 'shops'\. Keys that there are: shop"):
        remove_key(tmp_path, "shops")


@pytest.mark.parametrize(
    ("host", "said", "required"),
    [
        ("127.0.0.1", None, False),
        ("localhost", None, False),
        ("::1", None, False),
        ("0.0.0.0", None, True),  # noqa: S104
        ("::", None, True),
        ("10.0.0.5", None, True),
        ("0.0.0.0", False, False),  # noqa: S104
        ("127.0.0.1", True, True),
    ],
)
def test_keys_are_required_wherever_others_can_reach_the_server(host: str, said: bool | None, required: bool) -> None:
    assert Settings(host=host, keys_required=said).keys_are_required is required


def test_a_bucket_fills_at_its_rate_and_holds_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket.full(10.0)
    for now in (bucket.at, bucket.at + 100):
        monkeypatch.setattr("serving.access.time", SimpleNamespace(monotonic=partial(float, now)))
        assert [bucket.take() for _ in range(20)] == [0.0] * 20
        assert bucket.take() == pytest.approx(0.1)


OURS = ("127.0.0.1:3000", "localhost", "LOCALHOST.", "[::1]:3000", "10.0.0.5", "app.localhost:80", "serving:3000")
OTHERS = ("evil.example", "evil.example.:3000", "127.0.0.1.evil.example", "localhost.evil.example:80", "EVIL.EXAMPLE")


def test_without_keys_no_page_of_another_site_is_answered(shelf: Shelf, tmp_path: Path) -> None:
    """A browser of this machine would ask for it: as itself, or by a name that was turned into 127.0.0.1."""
    shelf.promote(shelf.publish(0.0))
    body, headers = ONE
    with running(shelf.settings, tmp_path) as server:
        for host in OURS:
            assert server.get("/card", headers={"Host": host}).status_code == 200, host
        for host in OTHERS:
            refused = server.get("/card", headers={"Host": host})
            assert refused.status_code == 403, host
            assert "tunesmith keys add" in refused.json()["error"]
            assert server.post("/predict", body, headers | {"Host": host}).status_code == 403, host
        for site, expected in (("cross-site", 403), ("same-site", 200), ("same-origin", 200), ("none", 200)):
            assert server.post("/predict", body, headers | {"Sec-Fetch-Site": site}).status_code == expected, site
        assert server.get("/openapi.json", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200, "a link to it"
        key = make_key(shelf.settings.key_folder, "shop", "predict")
        by_name = headers | {"Host": OTHERS[0], "Sec-Fetch-Site": "cross-site"}
        wait_for(lambda: status(server, "/predict", body, by_name) == 401, "the key is known", seconds=5)
        assert server.post("/predict", body, by_name | bearer(key)).status_code == 200, "no page of theirs has it"


def test_why_nothing_answers_is_for_who_has_an_admins_key(shelf: Shelf, tmp_path: Path) -> None:
    """The sentence names folders of the server."""
    version = shelf.promote(shelf.publish(0.0))
    (shelf.stored(version) / "card.md").write_text("another card")
    admin = make_key(shelf.settings.key_folder, "prometheus", "admin")
    with running(shelf.settings, tmp_path) as server:
        ready = server.get("/readyz")
        assert (ready.status_code, "card.md" in ready.text) == (503, False)
        assert "GET /model" in ready.text
        assert "card.md" in server.get("/model", headers=bearer(admin)).json()["following"]["error"]


def test_what_is_before_the_server_may_call_it_as_it_likes(shelf: Shelf, tmp_path: Path) -> None:
    shelf.promote(shelf.publish(0.0))
    body, headers = ONE
    with running(shelf.settings, tmp_path, keys_required=False) as server:
        by_name = headers | {"Host": "models.example.org", "Sec-Fetch-Site": "cross-site"}
        assert server.post("/predict", body, by_name).status_code == 200
