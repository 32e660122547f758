"""What is missing or taken is told in one message, before anything starts."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import SettingsError
from flows.deployments import alone
from flows.ports import LOOPBACK
from flows.stack import checks
from flows.stack.checks import require_startable
from flows.stack.parts import deployments, mlflow, page, postgres, prometheus
from tests.flows.stacks import site


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TUNESMITH_TRACKING_URI", "http://ours:5000")
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)
    monkeypatch.setattr(checks, "LEAST_BYTES", 2**60)
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        wrong = site(tmp_path, "postgres", "mlflow", "prometheus", "page", page_port=port)
        parts = [module.part(wrong) for module in (postgres, mlflow, prometheus, page)]
        with pytest.raises(SettingsError) as told:
            require_startable(wrong, parts)
    message = str(told.value)
    assert message.startswith("The stack cannot start; nothing was started:\n")
    for sentence in (
        "MB, and 1099511627776 are needed at least: make room.",
        "setpriv is not on the PATH: apt-get install util-linux.",
        "TUNESMITH_TRACKING_URI is set, so commands would use that and not the stack's: unset TUNESMITH_TRACKING_URI",
        f"initdb and postgres are neither on the PATH nor in {tmp_path}/*/bin: apt-get install postgresql.",
        "prometheus is not on the PATH: apt-get install prometheus.",
        "infra/prometheus/rules.yml is not there",
        f"port {port} is taken by process {os.getpid()} (",
        "): stop it, or set TUNESMITH_STACK_PAGE_PORT.",
    ):
        assert sentence in message


def test_one_port_for_two_and_a_host_of_another_machine_are_told(tmp_path: Path) -> None:
    from flows.ports import free_port

    port = free_port()
    wrong = site(tmp_path, "page", "prometheus", "mlflow", page_port=port, prometheus_port=port, host="192.0.2.7")
    parts = [replace(module.part(wrong), missing=list) for module in (page, prometheus, mlflow)]
    with pytest.raises(SettingsError) as told:
        require_startable(wrong, parts)
    both = "TUNESMITH_STACK_PAGE_PORT and TUNESMITH_STACK_PROMETHEUS_PORT must differ."
    assert f"port {port} is wanted twice: {both}" in str(told.value)
    assert "192.0.2.7:5000 cannot be bound (Cannot assign requested address): set TUNESMITH_STACK_MLFLOW_PORT" in str(
        told.value
    )


def test_what_can_start_is_let_through(tmp_path: Path) -> None:
    from flows.ports import free_port

    fine = site(tmp_path, "page", page_port=free_port())
    require_startable(fine, [page.part(fine)])


def test_flows_that_are_run_already_are_told(new_line: Path) -> None:
    part = deployments.part(found := site(new_line / ".tunesmith", "deployments"))
    assert part.missing() == []
    with alone(found.settings):
        assert part.missing() == [
            f"the flows of {new_line} are run by another 'python -m flows.deployments' already: stop that one"
        ]


def test_an_exposed_mlflow_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert mlflow.part(site(tmp_path, "mlflow")).missing() == [
        "mlflow lacks the driver psycopg for PostgreSQL: pip install 'psycopg[binary]'"
    ]
    sentences = mlflow.part(site(tmp_path, "mlflow", host="10.0.0.5", artifacts="s3://bucket/x")).missing()
    assert sentences[1:] == [
        "mlflow lacks Flask-WTF to ask for a password: pip install 'mlflow[auth]'",
        "mlflow lacks boto3 for S3: .venv/bin/pip install -c constraints.txt -e '.[s3]'",
    ]
