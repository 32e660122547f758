import shutil
from pathlib import Path

import pytest

from components.errors import GraphError
from flows.graph import Changes, Parameter, open_graph
from flows.why import GATHERED, REFRESHED
from tests.flows.toy import edit
from tests.places import REPOSITORY


def changes_of(name: str) -> Changes:
    with open_graph() as graph:
        return graph.changes(name)


def test_stages_come_after_what_they_read_from(new_line: Path) -> None:
    with open_graph() as graph:
        order = [stage.name for stage in graph.stages]
        assert order == ["source", "champion", "model", "score"]
        edges = {stage.name: stage.upstream for stage in graph.stages}
    assert edges["score"] == (("model", "data/model"), ("champion", "data/champion"))
    assert edges["model"] == (("source", "data/source"),), "a file inside an output is an edge as well"
    assert edges["source"] == ()


def test_the_descriptions_and_outputs_are_those_of_dvc_yaml(new_line: Path) -> None:
    with open_graph() as graph:
        score = next(stage for stage in graph.stages if stage.name == "score")
    assert score.description == "comes last, though it stands first"
    assert score.outputs == ("data/score",)
    assert score.waits_for == ("model", "champion")


def test_the_real_graph_can_be_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dvc.yaml", "params.yaml", ".dvc/config", ".dvcignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    monkeypatch.chdir(tmp_path)
    with open_graph() as graph:
        seen: set[str] = set()
        for stage in graph.stages:
            assert set(stage.waits_for) <= seen, stage.name
            seen.add(stage.name)
    assert {"ingest", "train", "evaluate"} <= seen


def test_a_stage_that_never_ran_is_not_recorded(new_line: Path) -> None:
    assert not changes_of("model").recorded
    assert changes_of("model")


def test_a_stage_that_ran_is_unchanged(line: Path) -> None:
    with open_graph() as graph:
        assert not any(graph.changes(stage.name) for stage in graph.stages)


def test_each_changed_parameter_is_found(line: Path) -> None:
    edit(line / "params.yaml", "  epochs: 6", "  epochs: 7")
    edit(line / "params.yaml", "  devices: 1", "  devices_: 1")
    edit(line / "params.yaml", "  early_stopping: {patience: 6, min_delta: 0}", "  early_stopping: null")
    assert set(changes_of("model").parameters) == {
        Parameter("train.epochs", "modified", 6, 7),
        Parameter("train.devices", "gone", 1, None),
        Parameter("train.devices_", "new", None, 1),
        Parameter("train.early_stopping", "new", None, None),
        Parameter("train.early_stopping.patience", "gone", 6, None),
        Parameter("train.early_stopping.min_delta", "gone", 0, None),
    }
    assert not changes_of("source")


def test_changed_files_are_found(line: Path) -> None:
    (line / "components/net/loss.py").write_text("LOSS = 'l1'\n")
    (line / "data/score/value").write_text("made up")
    shutil.rmtree(line / "data/champion")
    model = changes_of("model")
    assert [(file.path, file.status) for file in model.dependencies] == [("components/net", "modified")]
    assert model.dependencies[0].recorded is not None
    score = changes_of("score")
    assert [(file.path, file.status) for file in score.dependencies] == [("data/champion", "deleted")]
    assert [(file.path, file.status) for file in score.outputs] == [("data/score", "modified")]


def test_an_output_that_left_the_cache_is_found(line: Path) -> None:
    shutil.rmtree(line / ".dvc/cache")
    assert [file.status for file in changes_of("source").outputs] == ["not in cache"]


def test_another_command_is_found(line: Path) -> None:
    edit(line / "dvc.yaml", "exec python components/toy.py model", "exec python -B components/toy.py model")
    assert changes_of("model").command
    assert not changes_of("source")


@pytest.mark.parametrize(
    ("broken", "named"),
    [("stages: [", "dvc.yaml"), ("stages:\n  a:\n    cmd: x\n    deps: ['${nothing}']\n", "nothing")],
)
def test_a_graph_that_cannot_be_read_is_told(new_line: Path, broken: str, named: str) -> None:
    (new_line / "dvc.yaml").write_text(broken)
    with pytest.raises(GraphError, match=named), open_graph():
        pass


def test_a_folder_without_dvc_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GraphError, match="DVC"), open_graph():
        pass


def test_the_graph_may_be_asked_by_two_threads_at_once(line: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(changes_of, ["source", "champion", "model", "score"] * 2))


def test_graph_has_no_edge_of_its_own() -> None:
    """The names of the stages stand in dvc.yaml and in no module that walks it; but of the two that ask outside."""
    import re

    names = re.findall(r"^  (\w+):$", (REPOSITORY / "dvc.yaml").read_text(), re.MULTILINE)
    assert "train" in names
    for module in ("graph", "why", "retrain", "stage_process", "stage_reproduction"):
        text = (REPOSITORY / f"flows/{module}.py").read_text()
        found = {name for name in names if f'"{name}"' in text} - {REFRESHED, GATHERED}
        assert not found, f"flows/{module}.py names the stages {found}"


@pytest.mark.parametrize("lost", [".git", ".dvc"])
def test_a_folder_without_its_repository_is_told_what_to_do(new_line: Path, lost: str) -> None:
    shutil.rmtree(lost)
    with pytest.raises(GraphError, match=r" repository.*\. Clone the repository with git; or, in .* `git init`"):
        open_graph().__enter__()
