"""What a space may hold, how a trial is drawn from it, and what is said of one that cannot be run."""

from typing import Any

import optuna
import pytest
from pydantic import ValidationError

from components.errors import ParamsError
from components.params import Params, load_params, parse_params
from components.params.sections import SweepParams, WarmupParams
from components.sweep.space import applied, check_space, found, grid, shortened, standing, suggest, tree_of
from tests.components.sweep_functions import CONDITIONAL_SPACE, section, tree
from tests.places import REPOSITORY

FILES = [REPOSITORY / "params.yaml", *sorted((REPOSITORY / "presets").iterdir())]
UNIFORM = {"kind": "uniform", "low": 0.0, "high": 0.5}
TEN = {"kind": "grid", "low": 0, "high": 1, "points": 10, "log": False}
RATE = "train.optimizer.learning_rate"
RANDOM = {"name": "random"}
COARSE = {"name": "coarse_to_fine", "coarse_share": 0.5, "best": 1, "neighbourhood": 0.2, "fine": "random"}
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


def space_of(**dimensions: Any) -> SweepParams:
    return section({place.replace("__", "."): dimension for place, dimension in dimensions.items()}, RANDOM, 10)


def test_every_draw_is_inside_the_space_and_readable() -> None:
    given = space_of(
        train__x={"kind": "loguniform", "low": 1e-4, "high": 1e-1},
        train__y={"kind": "quantised", "low": 0, "high": 0.3, "step": 0.1},
        train__z={"kind": "quantised", "low": 10000, "high": 10001, "step": 0.03125},
        train__kind={"kind": "choice", "values": [{"name": "a"}, "b", None]},
        train__wide={"kind": "integer", "low": 2, "high": 4, "log": False},
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    draws = [suggest(given.space, tree(), study.ask()) for _ in range(200)]
    assert all(1e-4 <= draw["train.x"] <= 1e-1 for draw in draws)
    assert all(len(f"{draw['train.x']:e}".split("e")[0].rstrip("0")) <= 5 for draw in draws)
    assert {draw["train.y"] for draw in draws} == {0.0, 0.1, 0.2, 0.3}
    assert {draw["train.z"] for draw in draws} <= {10000 + step / 32 for step in range(33)}
    assert {str(draw["train.kind"]) for draw in draws} == {"{'name': 'a'}", "b", "None"}
    assert {draw["train.wide"] for draw in draws} == {2, 3, 4}


def test_a_condition_looks_at_what_was_drawn_before_it() -> None:
    given = section(CONDITIONAL_SPACE, RANDOM, 10)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        draw = suggest(given.space, tree(), study.ask())
        others = {"train.wide"} if draw["train.kind"] == "flat" else {"train.rate", "train.decay"}
        assert draw.keys() == {"train.kind", *others}


def test_values_are_set_in_a_copy() -> None:
    before = tree()
    after = applied(before, {"train.x": 5.0, "train.new": {"name": "a"}})
    assert (found(before, "train.x"), found(after, "train.x"), found(after, "train.new.name")) == (0.0, 5.0, "a")
    assert found(after, "train.none.at.all") is None


def test_params_yaml_stands_in_the_space_or_outside() -> None:
    inside = space_of(
        train__x={"kind": "uniform", "low": -1, "high": 1}, train__kind={"kind": "choice", "values": ["b", "flat"]}
    )
    assert standing(inside.space, tree()) == {"train.x": 0.0, "train.kind": 1}
    outside = space_of(train__x={"kind": "uniform", "low": 1, "high": 2})
    assert standing(outside.space, tree()) is None


def test_a_grid_is_every_combination() -> None:
    given = space_of(
        train__x={"kind": "grid", "low": 0, "high": 1, "points": 3, "log": False},
        train__wide={"kind": "integer", "low": 1, "high": 2, "log": False},
    )
    assert [tuple(values.values()) for values in grid(given.space, tree())] == [
        (0.0, 1), (0.0, 2), (0.5, 1), (0.5, 2), (1.0, 1), (1.0, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dimension", "sentence"),
    [
        ({"kind": "uniform", "low": 2, "high": 1}, "low must be below high; low is 2 and high 1"),
        ({"kind": "integer", "low": 3, "high": 3, "log": False}, "low must be below high; low is 3 and high 3"),
        ({"kind": "loguniform", "low": 0, "high": 1}, "a logarithmic range must not reach zero; low is 0"),
        ({"kind": "loguniform", "low": -1, "high": 1}, "a logarithmic range must not reach zero; low is -1"),
        ({"kind": "integer", "low": 0, "high": 3, "log": True}, "a logarithmic range must not reach zero"),
        ({"kind": "grid", "low": 0, "high": 1, "points": 3, "log": True}, "a logarithmic range must not reach zero"),
    ],
)
def test_a_bad_range_is_a_sentence(dimension: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        space_of(train__x=dimension)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"space": {f"train.{i}": TEN for i in range(6)}},
            "the grid has 1,000,000 points; 1,024 are the most",
        ),
        ({"space": {"train.x": UNIFORM}}, "a grid needs countable values: make train.x a choice"),
        ({"strategy": RANDOM, "scheduler": {"name": "pbt", "every_epochs": 1, "quantile": 0.25, "resample": 0.2},
          "space": {"train.batch_size": UNIFORM}}, "changes values in mid-training, and train.batch_size cannot be"),
        ({"strategy": {"name": "bayes", "model": "gaussian_process", "random_trials": 2}, "space": CONDITIONAL_SPACE},
         "a Gaussian process knows no conditional dimension, and train.wide, train.rate, train.decay"),
        ({"strategy": RANDOM, "objectives": ["validation_score", "latency_ms"],
          "scheduler": {"name": "asha", "grace_epochs": 1, "reduction": 2}}, "there are 2 objectives"),
        ({"strategy": COARSE | {"coarse_epochs": 2}}, "strategy.coarse_epochs is 2, and a trial has 1 epochs in all"),
        ({"strategy": COARSE | {"coarse_epochs": 1}, "objectives": ["validation_score", "latency_ms"]},
         "no match for whole ones"),
    ],
    ids=["million points", "continuous grid", "pbt", "gaussian process", "objectives", "long coarse trials", "front"],
)  # fmt: skip
def test_parts_that_do_not_fit_are_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        section(**{"space": {"train.x": UNIFORM}, "strategy": {"name": "grid"}, "trials": 10, **change})


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (
            {"train.optimizer.learnig_rate": UNIFORM},
            "no place of params.yaml. Did you mean train.optimizer.learning_rate?",
        ),
        ({"train.nothing.here": UNIFORM}, "train.nothing.here is no place of params.yaml"),
        (
            {RATE: {"kind": "uniform", "low": 0.0, "high": 0.5}},
            "0.0 will not do: .*rate: Input should be greater",
        ),
        ({"train.batch_size": {"kind": "choice", "values": [64, "many"]}}, "'many' will not do"),
        ({"ingest.test_share": UNIFORM}, "ingest may not be swept: it decides what the trials are compared on"),
        ({"gate.max_bytes": UNIFORM}, "gate may not be swept"),
        ({"train.epochs": {"kind": "integer", "low": 1, "high": 3, "log": False}}, "those of sweep.budget.epochs"),
        ({"train.warmup.epochs": UNIFORM}, "there is no section warmup here"),
        (
            {RATE: UNIFORM, "train.optimizer": {"kind": "choice", "values": [SGD]}},
            "would overwrite it. Write that first",
        ),
        (
            {
                "train.network.dropout": {"kind": "conditional", "where": RATE, "equals": [0.1], "then": UNIFORM},
                RATE: {"kind": "grid", "low": 0.001, "high": 0.1, "points": 3, "log": True},
            },
            "which decides about it, stands behind it",
        ),
        ({"train.optimizer.momentum": UNIFORM}, "train.optimizer.momentum: 0.0 will not do: .*Extra inputs"),
    ],
    ids=[
        "typing error",
        "unknown",
        "out of bounds",
        "wrong type",
        "ingest",
        "gate",
        "epochs",
        "no section",
        "overwritten",
        "condition behind",
        "other optimizer",
    ],
)
def test_a_space_that_cannot_be_run_fails_before_any_work(params: Params, space: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParamsError, match=sentence) as caught:
        check_space(section(space, RANDOM, 10).space, params)
    assert "nothing was run" in str(caught.value)


def test_a_budget_of_fewer_epochs_than_params_yaml_needs_is_told(params: Params) -> None:
    assert shortened(params, 2).train.epochs == 2
    warm = params.model_copy(
        update={"train": params.train.model_copy(update={"warmup": WarmupParams(shape="linear", epochs=3)})}
    )
    with pytest.raises(ParamsError, match=r"a trial of 2 epochs cannot be run\. train: the warmup of 3 epochs"):
        shortened(warm, 2)


def test_a_choice_of_sections_with_a_condition_below_it_is_a_space(params: Params) -> None:
    space = {
        "train.optimizer": {"kind": "choice", "values": [SGD, tree_of(params)["train"]["optimizer"]]},
        "train.optimizer.momentum": {
            "kind": "conditional",
            "where": "train.optimizer.name",
            "equals": ["sgd"],
            "then": {"kind": "uniform", "low": 0.0, "high": 0.99},
        },
    }
    check_space(section(space, RANDOM, 10).space, params)


@pytest.mark.parametrize(
    "path", ["params.yaml", *sorted(f"presets/{p.name}" for p in (REPOSITORY / "presets").iterdir())]
)
def test_the_space_of_every_preset_can_be_run(path: str) -> None:
    given = load_params(REPOSITORY / path)
    assert given.sweep is not None
    check_space(given.sweep.space, given)


def test_a_fault_in_the_section_is_told_with_its_place() -> None:
    text = (REPOSITORY / "params.yaml").read_text()
    faulty = text.replace("kind: loguniform, low: 0.001", "kind: loguniform, low: 0", 1)
    assert faulty != text
    with pytest.raises(ParamsError, match=r"sweep\.space\.train\.optimizer\.learning_rate: a logarithmic range"):
        parse_params(faulty)
