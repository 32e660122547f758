"""Who asks whom in Compose: whatever a container is told to ask is on a network with it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.compose import COMPOSE, FILE, SERVICES, make_secrets

ASKED = re.compile(rf"(?<![\w.-])({'|'.join(SERVICES)}):\d+(?![\w@-])")
"""The name of a service with a port behind it, be it in a URL, in the address of a database or by itself.

Not that of a user with a password behind it, which may begin with a digit.
"""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("home"))


def texts(service: dict[str, Any], secrets: Path) -> list[str]:
    """What a container reads of addresses: its variables, its secrets, and the files of ``infra`` that it mounts."""
    sources = [each if isinstance(each, str) else each["source"] for each in service.get("secrets", ())]
    given = [COMPOSE["secrets"][source]["file"] for source in sources]
    files = [secrets / file.removeprefix("../.tunesmith/secrets/") for file in given]
    mounted = [str(volume).split(":")[0] for volume in service.get("volumes", ())]
    for place in (FILE.parent / each for each in mounted if each.startswith("./")):
        files += [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return [*map(str, service.get("environment", {}).values()), *(file.read_text() for file in files)]


def asked(name: str, secrets: Path) -> set[str]:
    return {found for text in texts(SERVICES[name], secrets) for found in ASKED.findall(text)} - {name}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_shares_a_network_with_those_that_it_asks(name: str, secrets: Path) -> None:
    networks = set(SERVICES[name].get("networks", ()))
    apart = {other for other in asked(name, secrets) if networks.isdisjoint(SERVICES[other]["networks"])}
    assert apart == set()


def test_the_addresses_are_found(secrets: Path) -> None:
    assert asked("worker", secrets) == {"mlflow", "prefect", "ray-head", "serving"}
    assert asked("serving", secrets) == {"mlflow"}
    assert asked("mlflow", secrets) == asked("prefect", secrets) == {"postgres"}
    assert asked("prometheus", secrets) == {"serving", "worker"}
    assert asked("grafana", secrets) == {"prometheus"}
