import json
import shutil
from pathlib import Path

import pytest

from components.errors import GraphError
from flows.graph import open_graph
from flows.why import Explanation, explain, only
from tests.flows.toy import edit, tunesmith

TREES = Path(".tunesmith/trees")


def explanations() -> dict[str, Explanation]:
    with open_graph() as graph:
        return {explanation.stage: explanation for explanation in explain(graph, TREES)}


def sentences(stage: str) -> list[str]:
    return [reason.sentence for reason in explanations()[stage].reasons]


def states() -> dict[str, str]:
    return {stage: explanation.state for stage, explanation in explanations().items()}


def test_nothing_changed(line: Path) -> None:
    assert set(states().values()) == {"unchanged"}
    assert sentences("champion") == []


def test_a_line_that_never_ran(new_line: Path) -> None:
    assert set(states().values()) == {"will run"}
    assert sentences("model") == ["It has never run to its end here: dvc.lock does not know it."]


def test_a_parameter_is_named_with_both_values(line: Path) -> None:
    edit(line / "params.yaml", "  epochs: 6", "  epochs: 9")
    edit(line / "params.yaml", "  optimizer: {name: adamw", "  optimizer: {name: sgd")
    assert sentences("model") == [
        'Parameter train.optimizer.name: "adamw" → "sgd".',
        "Parameter train.epochs: 6 → 9.",
    ]
    assert states() == {"source": "unchanged", "champion": "will run", "model": "will run", "score": "may run"}
    assert sentences("champion") == ["The registry is asked again for its champion, because the line will run."]
    assert sentences("score") == [
        "Its input data/model will be made anew by model.",
        "Its input data/champion will be made anew by champion.",
    ]


def test_what_may_change_is_not_said_to_change(line: Path) -> None:
    (line / "data/source/value").unlink()
    assert sentences("source") == ["Its output data/source was altered after it had made it."]
    assert states()["model"] == "will run"
    shutil.rmtree(line / "data/source")
    assert sentences("source") == ["Its output data/source is missing."]
    assert sentences("model") == [
        "Data data/source/value, which source makes, does not exist.",
        "Its input data/source will be made anew by source.",
    ]


def test_a_stage_below_one_that_may_run_may_run(line: Path) -> None:
    edit(line / "params.yaml", "seed: 7", "seed: 8")
    assert states() == {"source": "will run", "champion": "will run", "model": "may run", "score": "may run"}
    assert sentences("score")[0] == "Its input data/model may be made anew by model."


def test_the_changed_file_of_a_code_folder_is_named(line: Path) -> None:
    (line / "components/net/loss.py").write_text("LOSS = 'l1'\n")
    (line / "components/net/layers.py").unlink()
    (line / "components/net/deep").mkdir()
    (line / "components/net/deep/norm.py").write_text("NORM = 2\n")
    assert sentences("model") == [
        "Code file components/net/deep/norm.py is new.",
        "Code file components/net/layers.py is gone.",
        "Code file components/net/loss.py has changed.",
    ]


def test_a_single_code_file_is_named(line: Path) -> None:
    with (line / "components/toy.py").open("a") as file:
        file.write("# changed\n")
    assert "Code file components/toy.py has changed." in sentences("source")


def test_without_a_listing_of_the_last_run_it_says_so(line: Path) -> None:
    shutil.rmtree(line / TREES)
    (line / "components/net/loss.py").write_text("LOSS = 'l1'\n")
    (found,) = sentences("model")
    assert found.startswith("Code in components/net/ has changed; which file cannot be told")


def test_a_cache_that_was_emptied(line: Path) -> None:
    shutil.rmtree(line / ".dvc/cache")
    assert sentences("source") == ["Its output data/source is no longer in DVC's cache."]


def test_another_command(line: Path) -> None:
    edit(line / "dvc.yaml", "toy.py model", "toy.py model --fast")
    assert sentences("model") == ["Its command in dvc.yaml is another one."]


def test_an_input_that_the_last_run_did_not_have(line: Path) -> None:
    (line / "more.csv").write_text("1\n")
    edit(
        line / "dvc.yaml",
        "deps: [components/toy.py, components/net,",
        "deps: [components/toy.py, more.csv, components/net,",
    )
    assert sentences("model") == ["Data more.csv was not among its inputs when it last ran."]


def test_parameters_that_the_last_run_did_not_have(line: Path) -> None:
    edit(line / "dvc.yaml", "  score:\n", "  score:\n    params: [evaluate.baseline]\n")
    assert sentences("score")[0] == 'Parameter evaluate.baseline is new: "nearest_centroid".'


def test_one_stage_can_be_asked_for(line: Path) -> None:
    assert [found.stage for found in only("score", list(explanations().values()))] == ["score"]
    with pytest.raises(GraphError, match="no stage 'scor'"):
        only("scor", list(explanations().values()))


def test_the_command_prints_the_reasons(line: Path) -> None:
    edit(line / "params.yaml", "  epochs: 6", "  epochs: 9")
    shown = tunesmith(line / "components", "why").stdout
    assert "Parameter train.epochs: 6 → 9." in shown
    (found,) = json.loads(tunesmith(line, "why", "model", "--json").stdout)
    assert found["state"] == "will run"
    assert found["reasons"][0] == {
        "kind": "parameter",
        "subject": "train.epochs",
        "sentence": "Parameter train.epochs: 6 → 9.",
        "before": 6,
        "after": 9,
    }
