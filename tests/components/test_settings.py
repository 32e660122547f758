import os
from pathlib import Path

import pytest

from components.errors import SettingsError
from components.settings import Settings, export_environment, load_settings, without_userinfo


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TUNESMITH_{name.upper()}", raising=False)
    unset = load_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"TUNESMITH_{name.upper()}", "")
    assert load_settings() == unset
    assert load_settings().public_keys == Path(".tunesmith/keys/trusted"), "not the working directory"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("postgresql://me:secret/secret@db/mlflow", "postgresql://db/mlflow"),
        ("https://secret@tracking:5000", "https://tracking:5000"),
        ("http://me:secret@secret@tracking", "http://tracking"),
        ("http://tracking:5000/path", "http://tracking:5000/path"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_user_and_password(address: str, shown: str) -> None:
    settings = Settings(tracking_uri=address, prefect_api_url=address)
    assert settings.tracking_address == address
    assert settings.shown_tracking_address == shown
    assert settings.shown_prefect_address == shown
    assert without_userinfo(f"{address} and {address} failed") == f"{shown} and {shown} failed"


@pytest.mark.parametrize("address", ["me:secret@tracking:5000", "htp://me:secret@tracking", "mlruns"])
def test_an_address_that_is_no_registry_is_told_without_password(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_TRACKING_URI", address)
    with pytest.raises(SettingsError, match="it is no address such as http://tracking:5000") as refused:
        load_settings()
    assert "TUNESMITH_TRACKING_URI='" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["https://me:x@tracking/mlflow", "sqlite:////a/b.db", "postgresql+psycopg://db/x"])
def test_addresses_of_registries(address: str) -> None:
    assert Settings(tracking_uri=address).tracking_uri == address


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts back afterwards what the test exports."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


INHERITED = {
    "MLFLOW_TRACKING_TOKEN": "their-token",
    "MLFLOW_TRACKING_URI": "http://theirs:5000",
    "PREFECT_API_URL": "http://theirs:4200/api",
}


def test_our_settings_win_over_inherited_ones(environment: None) -> None:
    os.environ.update(INHERITED)
    export_environment(
        Settings(tracking_uri="http://ours:5000", tracking_token="our-token", prefect_api_url="http://ours:4200/api")
    )
    assert {name: os.environ[name] for name in INHERITED} == {
        "MLFLOW_TRACKING_TOKEN": "our-token",
        "MLFLOW_TRACKING_URI": "http://ours:5000",
        "PREFECT_API_URL": "http://ours:4200/api",
    }


def test_inherited_settings_win_over_our_defaults(environment: None) -> None:
    os.environ.update(INHERITED)
    export_environment(Settings(tracking_uri=None, tracking_token=None, prefect_api_url=None))
    assert {name: os.environ[name] for name in INHERITED} == INHERITED
