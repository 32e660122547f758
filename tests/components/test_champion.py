from pathlib import Path

import pytest

from components.champion import run
from components.contracts import CHAMPION, ChampionRef
from components.errors import PackageError, RegistryError
from components.package import verify
from components.params import Params, parse_params
from components.settings import Settings
from tests.places import REPOSITORY
from tests.shelf import NAME, Shelf


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Those of the repository, for a model of the shelf's name; the stage runs below ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    return parse_params(text.replace("name: fashion-mnist", f"name: {NAME}"))


def test_no_champion_is_said(params: Params, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.publish(0.0)
    run(params, shelf.settings)
    assert ChampionRef.read(CHAMPION / "champion.json").version is None
    assert not (CHAMPION / "package").exists()
    assert capsys.readouterr().out == "No champion of 'digits' yet.\n"


def test_the_champion_and_its_package_are_held_still(params: Params, shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    run(params, shelf.settings)
    assert ChampionRef.read(CHAMPION / "champion.json").version == 1
    assert verify(CHAMPION / "package", shelf.settings.public_keys) == shelf.registry.version(1).tags["digest"]
    shelf.demote()
    run(params, shelf.settings)
    assert [file.name for file in CHAMPION.iterdir()] == ["champion.json"]


def test_a_damaged_champion_stops_the_line_and_leaves_what_was_there(params: Params, shelf: Shelf) -> None:
    shelf.promote(shelf.publish(0.0))
    run(params, shelf.settings)
    shelf.promote(shelf.publish(1.0))
    (shelf.stored(2) / "golden.safetensors").write_bytes(b"")
    with pytest.raises(PackageError, match=r"golden.safetensors is damaged"):
        run(params, shelf.settings)
    assert ChampionRef.read(CHAMPION / "champion.json").version == 1


def test_a_registry_that_cannot_be_reached_is_not_no_champion(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError):
        run(params, Settings(home=tmp_path, tracking_uri="http://127.0.0.1:9"))
    assert not CHAMPION.exists()
