"""The stack in containers is the one of ``tunesmith up``: the same commands, ports, settings; nothing in the open."""

from dataclasses import replace
from pathlib import Path

import mlflow.environment_variables
import prefect.settings
import pytest

from components.api_keys import read_key
from components.params import load_params
from components.settings import TELEMETRY_OFF, Settings
from flows.stack.part import Part
from flows.stack.parts import PARTS, parts_of
from flows.stack.site import StackSettings
from tests.flows.stacks import site
from tests.infra.compose import COMPOSE, SERVICES, make_secrets, variables

EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing is bound
OURS = ("serving", "worker", "reader", "mlflow", "prefect", "ray-head")
SAME = {"mlflow": "mlflow", "prefect": "prefect", "worker": "deployments"}
SECRET = {
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "PGPASSWORD",
    "PREFECT_SERVER_API_AUTH_STRING",
    "RAY_AUTH_TOKEN",
    "READER_PASSWORD",
    "TUNESMITH_PREFECT_AUTH",
    "TUNESMITH_SERVER_KEY",
    "TUNESMITH_TRACKING_TOKEN",
    "TUNESMITH_TRACKING_URI",
}
"""Variables that hold a secret, or an address with a password in it."""

PLACES = {
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_AUTH_CONFIG_PATH",
    "MLFLOW_BACKEND_STORE_URI",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_HOME",
    "TUNESMITH_PREFECT_API_URL",
    "TUNESMITH_RAY_ADDRESS",
}
"""Variables whose value says where something is."""
OF_ONE_MACHINE = {"PGPASSFILE", "TMPDIR"}
"""What ``up`` needs, and containers do not: their password is a variable, their scratch folder is theirs alone."""


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Part]:
    """The parts of ``up``, where MLflow and Prefect are exposed."""
    place = replace(site(tmp_path, *PARTS), stack=StackSettings(host=EVERYWHERE))
    return {part.name: part for part in parts_of(place)}


@pytest.mark.parametrize("service", SAME)
def test_commands_are_those_of_up(parts: dict[str, Part], service: str) -> None:
    command = [str(word) for word in SERVICES[service]["command"]]
    assert tuple(command[command.index("python") + 1 :]) == parts[SAME[service]].command[1:]


def test_ray_is_started_as_by_up_but_for_the_address(parts: dict[str, Part]) -> None:
    def options(words: list[str]) -> dict[str, str]:
        pairs = zip(words, [*words[1:], "--"], strict=True)
        return {word: "" if value.startswith("--") else value for word, value in pairs if word.startswith("--")}

    ours = options([str(word) for word in SERVICES["ray-head"]["command"]])
    of_up = options(list(parts["ray"].command))
    assert {name: value for name, value in of_up.items() if name in ours} == ours
    assert set(of_up) - set(ours) == {"--node-ip-address", "--num-cpus", "--temp-dir"}


def test_ports_are_those_of_up_and_published_on_loopback_alone() -> None:
    stack, settings = StackSettings(), Settings()
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "mlflow": [f"127.0.0.1:{stack.mlflow_port}:{stack.mlflow_port}"],
        "prefect": [f"127.0.0.1:{stack.prefect_port}:{stack.prefect_port}"],
        "serving": [f"127.0.0.1:{settings.port}:{settings.port}"],
        "prometheus": [f"127.0.0.1:{stack.prometheus_port}:{stack.prometheus_port}"],
        "grafana": ["127.0.0.1:3002:3000"],
    }
    assert not [name for name, service in SERVICES.items() if service.get("network_mode") == "host"]


@pytest.mark.parametrize("service", SAME)
def test_settings_are_those_of_up_but_for_places_and_secrets(parts: dict[str, Part], service: str) -> None:
    of_up = {name: value for name, value in parts[SAME[service]].environment.items() if value is not None}
    ours = SERVICES[service]["environment"]
    assert set(of_up) - variables(service) <= OF_ONE_MACHINE
    assert {name: ours[name] for name in of_up if name in ours and name not in PLACES} == {
        name: value for name, value in of_up.items() if name in ours and name not in PLACES
    }


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_one_that_is_read(parts: dict[str, Part], service: str) -> None:
    known = {f"TUNESMITH_{name.upper()}" for name in Settings.model_fields} | set(TELEMETRY_OFF)
    known |= {name for part in parts.values() for name in part.environment}
    known |= {name for name in dir(mlflow.environment_variables) if name.startswith("MLFLOW_")}
    known |= {name for name in variables(service) if hasattr(prefect.settings, name)}
    known |= {"PGPASSWORD", "READER_PASSWORD", "RAY_AUTH_MODE"}
    assert variables(service) - known == set()


def test_no_secret_is_in_the_description_of_a_container() -> None:
    assert all(SECRET.isdisjoint(service.get("environment", ())) for service in SERVICES.values())


def test_a_server_that_no_one_named_a_model_follows_the_one_of_params() -> None:
    assert SERVICES["serving"]["environment"]["TUNESMITH_MODEL"] == load_params().name


def test_every_container_is_confined() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name


def test_what_is_made_is_what_is_mounted(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    mounted = {secret["file"].removeprefix("../.tunesmith/secrets/") for secret in COMPOSE["secrets"].values()}
    assert {file for file in files if not file.startswith(("api-keys/", "trusted/"))} == mounted
    assert {read_key(file).role for file in (folder / "api-keys").iterdir()} == {"admin"}


def test_secrets_stay_when_they_are_made_again(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    lost = folder / "asking" / "prometheus"
    lost.unlink()
    make_secrets(tmp_path)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    changed = {path.relative_to(folder).as_posix() for path in before if before[path] != after[path]}
    assert changed == {"asking/prometheus", "api-keys/prometheus.json"}
    assert set(after) == set(before)
