"""Sweeps on a real Ray: small networks on the digits, killed, costed, exchanged, and asked again."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contracts import PREPARED
from components.errors import DataError, ParamsError, SettingsError
from components.params import load_params
from components.settings import Settings
from components.sweep.cluster import require_room
from components.sweep.record import Sweep, Trial
from components.sweep.run import required
from flows.ports import free_port
from tests.components.trainings import PATIENCE, SHORT, make_workspace
from tests.places import REPOSITORY

ray = pytest.mark.slow
RAY = str(Path(sys.executable).with_name("ray"))
RATES = {"train.optimizer.learning_rate": {"kind": "loguniform", "low": 0.001, "high": 0.03}}
SMALL_MLP = {"name": "mlp", "dense": [16], "activation": "relu", "dropout": 0.0}
WILD = [16] * 8
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
PROGRAM = """
import sys
from components.params import load_params
from components.settings import export_environment, load_settings
settings = load_settings()
export_environment(settings)
from components.sweep.run import sweep


class Told:
    def changed(self, trial):
        print(trial.number, trial.state, len(trial.epochs), flush=True)


sweep(load_params(), settings, [Told()])
"""


def workspace(root: Path, sweep: dict[str, Any], **train: Any) -> Path:
    """The digits, prepared, without their test split, and a params.yaml with a sweep."""
    make_workspace(root, **{**SHORT, "network": SMALL_MLP, **train})
    shutil.rmtree(root / PREPARED / "test")
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # the order of a space has a meaning
    document = yaml.load(root / "params.yaml")
    document["sweep"] = {
        "space": RATES,
        "strategy": {"name": "random"},
        "scheduler": {"name": "none"},
        "budget": {"trials": 4, "seconds": None, "epochs": 2, "megabytes": 50},
        "objectives": ["validation_score"],
        "constraints": [],
        **sweep,
    }
    yaml.dump(document, root / "params.yaml")
    return root


def start(root: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, **environment: str) -> tuple[Sweep, list[str]]:
    """The record of a sweep, and what a listener was told."""
    process = start(root, **environment)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return Sweep.read(root / "reports/sweep/sweep.json"), out.splitlines()


def test_without_a_section_there_is_nothing_to_search() -> None:
    params = load_params(REPOSITORY / "params.yaml").model_copy(update={"sweep": None})
    with pytest.raises(ParamsError, match="sweep: null, so there is nothing to search"):
        required(params)


def test_a_faulty_space_is_told_before_data_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = load_params(REPOSITORY / "params.yaml")
    assert params.sweep
    space = {"train.network.dropouts": next(iter(params.sweep.space.values()))}
    with pytest.raises(ParamsError, match=r"train\.network\.dropouts"):
        required(params.model_copy(update={"sweep": params.sweep.model_copy(update={"space": space})}))


def test_without_prepared_data_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"Not found: .*data/prepared/train.*; run `tunesmith run` first"):
        required(load_params(REPOSITORY / "params.yaml"))


@ray
def test_a_sweep_ends_with_every_trial_and_is_answered_from_its_record(tmp_path: Path) -> None:
    """Some trials augment in another way, so each of them has a workspace of its own; none has a test split."""
    budget = {"trials": 5, "seconds": None, "epochs": 2, "megabytes": 0.2}
    turned = {"augment.rotation.range": {"kind": "uniform", "low": 0, "high": 20}}
    root = workspace(tmp_path / "work", {"space": RATES | turned, "budget": budget})
    shutil.copy(REPOSITORY / "dvc.yaml", root / "dvc.yaml")
    found, told = run(root)
    assert [trial.state for trial in found.trials] == ["complete"] * 5, [trial.fault for trial in found.trials]
    assert found.trials[0].values == {}
    assert all(0.001 <= trial.values[place] <= 0.03 for trial in found.trials[1:] for place in RATES)
    assert all(len(trial.epochs) == 2 for trial in found.trials)
    top = max(found.trials, key=lambda trial: trial.score or 0)
    assert found.winner == top.number
    assert "<script" not in (root / "reports/sweep/report.html").read_text()
    assert_within_quota(root, found)
    assert told
    again, told = run(root)
    assert told == []
    assert again == found


def assert_within_quota(root: Path, found: Sweep) -> None:
    """Only the best checkpoints are kept, and without what a training goes on from."""
    (folder,) = (root / ".tunesmith/sweeps").glob("*/trials")
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"best.safetensors"}
    assert 0 < sum(file.stat().st_size for file in files) <= found.section.budget.megabytes * 1e6
    kept = {int(file.parent.name) for file in files}
    assert found.winner in kept
    assert len(kept) < len(found.trials)


@ray
def test_killed_it_keeps_what_had_ended_and_goes_on_with_what_had_not(tmp_path: Path) -> None:
    budget = {"trials": 3, "seconds": None, "epochs": 4, "megabytes": 50}
    root = workspace(tmp_path / "work", {"budget": budget})
    process = start(root, TUNESMITH_TRIAL_THREADS=str(os.cpu_count()))  # one trial at a time
    for line in process.stdout or ():
        if line.startswith("1 running 2"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)
    found, told = run(root, TUNESMITH_TRIAL_THREADS=str(os.cpu_count()))
    assert [trial.state for trial in found.trials] == ["complete"] * 3
    assert all([row.epoch for row in trial.epochs] == [1, 2, 3, 4] for trial in found.trials)
    assert not any(line.startswith("0 ") for line in told), "the first trial had ended"
    assert "1 running 1" not in told, "the second went on from its checkpoint"
    assert found.processes == 2


def only_where_wild(value: dict[str, Any]) -> dict[str, Any]:
    """A dimension that sets a value where the network is that of many layers."""
    then = {"kind": "choice", "values": [value]}
    return {"kind": "conditional", "where": "train.network.dense", "equals": [WILD], "then": then}


@ray
def test_a_network_that_costs_too_much_is_not_trained_and_one_that_diverges_ends_alone(tmp_path: Path) -> None:
    space = {
        "train.network.dense": {"kind": "choice", "values": [[8], [512, 512], WILD]},
        "train.initialisation": only_where_wild({"name": "normal", "std": 10.0}),
        "train.optimizer": only_where_wild(SGD | {"learning_rate": 1.0}),
    }
    limits = [{"cost": "kilobytes", "at_most": 200.0}]
    root = workspace(tmp_path / "work", {"space": space, "strategy": {"name": "grid"}, "constraints": limits})
    found, _ = run(root)
    small, large, wild = (trial for trial in found.trials if trial.values)
    assert small.state == "complete"
    assert (large.state, large.epochs) == ("too_costly", ())
    assert large.costs["kilobytes"] > 200 > small.costs["kilobytes"] > 0
    assert small.costs["latency_ms"] > 0
    assert (wild.state, wild.score) == ("diverged", None)
    assert "is not a finite number" in (wild.fault or "")


@ray
def test_population_based_training_exchanges_weights_and_values(tmp_path: Path) -> None:
    scheduler = {"name": "pbt", "every_epochs": 2, "quantile": 0.5, "resample": 0.0}
    space = {"train.optimizer.learning_rate": {"kind": "loguniform", "low": 1e-6, "high": 0.03}}
    budget = {"trials": 3, "seconds": None, "epochs": 8, "megabytes": 50}
    root = workspace(
        tmp_path / "work", {"space": space, "scheduler": scheduler, "budget": budget}, schedule={"name": "constant"}
    )
    found, _ = run(root)
    assert {trial.state for trial in found.trials} == {"complete"}
    before, *population = found.trials
    assert (before.values, jumps(before)) == ({}, [])
    assert any(jumps(trial) for trial in population), "a trial goes on at another rate"
    assert all([row.epoch for row in trial.epochs] == [*range(1, 9)] for trial in found.trials)
    assert all(rate_at_best(trial) == pytest.approx(rate_of(trial), rel=1e-3) for trial in population)


@ray
def test_a_population_does_not_wait_for_those_that_diverge(tmp_path: Path) -> None:
    """Trials end where all others wait for them: at the high rate, a step multiplies each weight by -9."""
    space = {"train.optimizer.learning_rate": {"kind": "choice", "values": [0.01, 10.0]}}
    scheduler = {"name": "pbt", "every_epochs": 2, "quantile": 0.5, "resample": 0.0}
    budget = {"trials": 6, "seconds": None, "epochs": 6, "megabytes": 50}
    sweep = {"space": space, "scheduler": scheduler, "budget": budget}
    root = workspace(tmp_path / "work", sweep, schedule={"name": "constant"}, optimizer=SGD | {"weight_decay": 1.0})
    found, _ = run(root)
    assert {trial.state for trial in found.trials} == {"complete", "diverged"}
    ended = [trial for trial in found.trials if trial.state == "complete"]
    assert all([row.epoch for row in trial.epochs] == [*range(1, 7)] for trial in ended)


def test_a_trial_that_fits_nowhere_is_told_before_it_waits() -> None:
    with pytest.raises(SettingsError, match=r"TUNESMITH_TRIAL_THREADS=8, and Ray has 2 CPU here"):
        require_room(Settings(trial_threads=8), {"CPU": 2.0})
    with pytest.raises(SettingsError, match=r"TUNESMITH_TRIAL_GPUS=1, and Ray has 0 GPU here"):
        require_room(Settings(trial_gpus=1.0), {"CPU": 2.0})
    require_room(Settings(trial_threads=2, trial_gpus=0.5), {"CPU": 2.0, "GPU": 1.0})


def jumps(trial: Trial) -> list[float]:
    """How many times as high the learning rate is after an epoch, where it has changed."""
    rates = [row.learning_rate for row in trial.epochs]
    return [after / before for before, after in itertools.pairwise(rates) if after != pytest.approx(before)]


def rate_at_best(trial: Trial) -> float:
    return next(row.learning_rate for row in trial.epochs if row.epoch == trial.best_epoch)


def rate_of(trial: Trial) -> float:
    return float(trial.values["train.optimizer.learning_rate"])


@ray
def test_what_the_time_has_run_out_for_is_told(tmp_path: Path) -> None:
    budget = {"trials": 50, "seconds": 12, "epochs": 4, "megabytes": 50}
    found, _ = run(workspace(tmp_path / "work", {"budget": budget}))
    states = [trial.state for trial in found.trials]
    assert "out_of_time" in states
    assert set(states) <= {"complete", "out_of_time"}
    assert len(states) < 50


@ray
def test_a_node_that_is_killed_costs_no_trial(tmp_path: Path) -> None:
    """Two nodes on this machine; the one that trains beside the head dies in the middle of the sweep."""
    budget = {"trials": 5, "seconds": None, "epochs": 6, "megabytes": 50}
    root = workspace(tmp_path / "work", {"budget": budget})
    (root / ".tunesmith/keys").mkdir(parents=True)
    (root / ".tunesmith/keys/ray.token").write_text("1" * 64)
    with two_nodes(root) as (address, kill):
        process = start(root, TUNESMITH_RAY_ADDRESS=address)
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith("1 running 1"):
                kill()
                break
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, "".join(lines) + out + err
    found = Sweep.read(root / "reports/sweep/sweep.json")
    assert [trial.state for trial in found.trials] == ["complete"] * 5


def await_nodes(count: int, address: str, environment: dict[str, str]) -> None:
    """Returns once a cluster has so many nodes."""
    until, told = time.monotonic() + PATIENCE, ""
    while told.count(" node_") != count:
        assert time.monotonic() < until, f"no {count} nodes: {told}"
        done = subprocess.run(
            [RAY, "status", f"--address={address}"], env=environment, capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr


@contextlib.contextmanager
def two_nodes(root: Path) -> Iterator[tuple[str, Any]]:
    """A head with one processor and a worker with one; yields the address, and what kills the worker."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    scratch = tempfile.mkdtemp()  # tmp_path is too long for the name of a socket
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(root / ".tunesmith/keys/ray.token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": str(REPOSITORY),
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "TUNE_FUNCTION_THREAD_TIMEOUT_S": "30",
    }
    command = [RAY, "start", "--num-cpus=1", "--block",
               "--object-store-memory=100000000", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]  # fmt: skip
    head = subprocess.Popen(
        [*command, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    worker = None
    try:
        await_nodes(1, address, environment)
        worker = subprocess.Popen(
            [*command, f"--address={address}"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        await_nodes(2, address, environment)
        yield address, lambda: os.killpg(worker.pid, signal.SIGKILL)
    finally:
        for process in filter(None, (worker, head)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.mark.parametrize(
    ("module", "heavy"), [("job", ("torch", "optuna")), ("search", ("torch", "pytorch_lightning", "sklearn"))]
)
def test_what_is_heavy_is_imported_by_trials_alone(module: str, heavy: tuple[str, ...]) -> None:
    """Else trials that are shorter than that run one at a time, and every sweep begins some seconds later."""
    program = f"import sys, components.sweep.{module}; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
