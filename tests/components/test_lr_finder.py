"""The range test against its formulas, and on real trainings of the digits."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.contracts import AUGMENTED, PREPARED, LabelledArrays, Preprocessing
from components.errors import DataError, TrainingError
from components.params import Params, load_params
from components.train import lr_finder
from components.train.lr_finder import Curve, Point, RangeTest, find_learning_rate, judge, rate_at
from tests.components.trainings import SHORT, SMALL_MLP, make_workspace, train_here, write_params
from tests.places import REPOSITORY
from tests.row_package import held_out_rows, row_inputs, row_target
from tests.text_package import held_out_texts, text_inputs, text_target


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the digits and a small perceptron; the working directory is in it."""
    root = make_workspace(tmp_path / "work", network=SMALL_MLP)
    monkeypatch.chdir(root)
    return root


def with_rate(rate: float) -> dict[str, Any]:
    return {"optimizer": {"name": "adamw", "learning_rate": rate, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.05}}


def curve_of(losses: list[float]) -> list[Point]:
    return [Point(rate=rate_at(step), loss=loss) for step, loss in enumerate(losses)]


def test_the_rates_are_an_exponential_ladder() -> None:
    rates = [rate_at(step) for step in range(100)]
    assert rates == pytest.approx(np.geomspace(1e-7, 10, 100).tolist(), rel=1e-12)


def test_the_loss_is_smoothed_as_in_closed_form() -> None:
    """After t losses: Σ β^(t-i) lossᵢ / Σ β^(t-i), the weighted mean that the correction of the bias comes to."""
    losses, curve = [3.0, 1.0, 2.5, 0.5, 2.0], Curve()
    assert all(curve.add(loss) for loss in losses)
    for count, point in enumerate(curve.points, 1):
        weights = lr_finder.SMOOTHING ** np.arange(count)[::-1]
        assert point.loss == pytest.approx(np.average(losses[:count], weights=weights))


def test_a_constant_loss_stays_what_it_is() -> None:
    curve = Curve()
    assert all(curve.add(2.0) for _ in range(100))
    assert [point.loss for point in curve.points] == pytest.approx([2.0] * 100)


def test_it_stops_above_four_times_the_best() -> None:
    spike = 1 + 3 / (1 - lr_finder.SMOOTHING) * (1 - lr_finder.SMOOTHING**21)  # the smoothed loss becomes 4
    below, above = Curve(), Curve()
    for each in (below, above):
        assert all(each.add(1.0) for _ in range(20))
    assert below.add(spike * 0.999)
    assert not above.add(spike * 1.001)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_it_stops_at_a_loss_that_is_no_number_and_leaves_it_out(loss: float) -> None:
    curve = Curve()
    assert curve.add(1.0)
    assert not curve.add(loss)
    assert len(curve.points) == 1


def test_both_rules_on_a_curve_that_is_known() -> None:
    """Flat, down a slope that is steepest after step 54, lowest at step 60, and up again."""
    slope = [2.0] * 50 + [2 - 0.1 * step for step in range(5)] + [1.2, 0.9, 0.8, 0.7, 0.65, 0.6]
    found = judge(curve_of([*slope, *[0.6 + step for step in range(1, 30)]]), current=0.25)
    assert found.steepest == rate_at(54)
    assert found.suggestion == pytest.approx(rate_at(60) / 10)
    assert found.current == 0.25


def test_a_fall_after_the_lowest_loss_is_not_the_steepest() -> None:
    losses = [2 - 0.01 * step for step in range(60)] + [5.0, 2.0] + [6.0] * 10
    assert judge(curve_of(losses), current=1).steepest < rate_at(59)


def test_a_loss_that_never_falls_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match=r"fell at no learning rate.*Raise train\.batch_size"):
        judge(curve_of([1 + 0.01 * step for step in range(100)]), current=1)


@pytest.mark.parametrize("count", [0, 1, 16])
def test_a_test_that_ends_at_once_is_a_sentence(count: int) -> None:
    with pytest.raises(TrainingError, match=rf"diverged at once, in step {count + 1} of 100"):
        judge(curve_of([1.0] * count), current=1)


def test_the_suggestion_lies_on_the_way_down(digits: Path) -> None:
    found = find_learning_rate(load_params())
    assert [point.rate for point in found.points] == [rate_at(step) for step in range(len(found.points))]
    lowest = min(found.points[10:-5], key=lambda point: point.loss)
    way = [point for point in found.points if point.rate <= found.suggestion]
    assert 1e-4 < found.suggestion < lowest.rate
    assert found.steepest < lowest.rate
    assert lowest.loss < way[-1].loss < found.points[20].loss - 0.05
    assert found.current == load_params().train.optimizer.learning_rate


def test_training_at_the_suggestion_beats_a_tiny_rate(digits: Path) -> None:
    found = find_learning_rate(load_params())
    losses, scores = [], []
    for rate in (found.suggestion, 1e-6):
        constant = {"epochs": 1, "network": SMALL_MLP, "schedule": {"name": "constant"}}
        write_params(digits, **SHORT | constant | with_rate(rate))
        _, history = train_here(digits / f"state-{rate}")
        losses.append(history.epochs[-1]["validation_loss"])
        scores.append(history.epochs[-1]["validation_score"])
    assert losses[0] < losses[1] / 2
    assert scores[0] > scores[1] + 0.4


def test_it_is_the_same_again_and_leaves_nothing_behind(digits: Path) -> None:
    random, files = torch.get_rng_state(), sorted(digits.rglob("*"))
    first = find_learning_rate(load_params())
    assert torch.equal(torch.get_rng_state(), random)
    assert sorted(digits.rglob("*")) == files
    torch.manual_seed(99)
    assert find_learning_rate(load_params()) == first
    assert find_learning_rate(load_params().model_copy(update={"seed": 8})) != first


def test_neither_rate_nor_schedule_nor_averaging_changes_the_curve(digits: Path) -> None:
    first = find_learning_rate(load_params())
    other = {"schedule": {"name": "cosine", "floor": 0.1}, "averaging": {"name": "ema", "decay": 0.9}}
    write_params(digits, **SHORT | {"network": SMALL_MLP} | other | with_rate(0.3))
    second = find_learning_rate(load_params())
    assert second.current == 0.3
    # The rate is the peak's times a factor, so it may differ in its last digit.
    np.testing.assert_allclose(*([point.loss for point in each.points[:60]] for each in (first, second)), rtol=1e-3)


def test_the_batches_of_several_devices_are_accumulated(digits: Path) -> None:
    params, advanced = load_params(), list[int]()
    many, one = ({"devices": 2, "accumulate_batches": 2, "strategy": "ddp"}, {"accumulate_batches": 4})
    first, second = (params.model_copy(update={"train": params.train.model_copy(update=each)}) for each in (many, one))
    found = find_learning_rate(first, advanced.append)
    assert found == find_learning_rate(second) != find_learning_rate(params)
    assert advanced == [1] * len(found.points)


def test_auto_batch_size_and_mixed_precision(digits: Path) -> None:
    write_params(digits, **SHORT | {"network": SMALL_MLP, "batch_size": "auto", "precision": "bf16-mixed"})
    assert 1e-4 < find_learning_rate(load_params()).suggestion < 1


def test_a_test_of_broken_inputs_is_a_sentence(digits: Path) -> None:
    fitted = Preprocessing.read(PREPARED / "preprocessing.json")
    inputs = fitted.inputs.model_copy(update={"std": (1e-45,)})
    fitted.model_copy(update={"inputs": inputs}).write(PREPARED / "preprocessing.json")
    with pytest.raises(TrainingError, match="diverged at once, in step 1 of 100"):
        find_learning_rate(load_params())


@pytest.mark.parametrize(
    "lost", [PREPARED / "preprocessing.json", PREPARED / "train/labels.npy", AUGMENTED / "order.npy"]
)
def test_data_that_is_not_prepared_is_a_sentence(digits: Path, lost: Path) -> None:
    lost.unlink()
    with pytest.raises(DataError, match=rf"^Not found in \S+: {lost}\. `dvc repro augment"):
        find_learning_rate(load_params())


def save(samples: LabelledArrays, fitted: Preprocessing) -> None:
    samples.save(PREPARED / "train")
    fitted.write(PREPARED / "preprocessing.json")
    AUGMENTED.mkdir(parents=True)
    np.save(AUGMENTED / "order.npy", np.arange(len(samples.labels)))


def preset(name: str, **train: Any) -> Params:
    params = load_params(REPOSITORY / "presets" / f"{name}.yaml")
    changed = {"batch_size": 16, "precision": "32-true", "accelerator": "cpu"} | train
    return params.model_copy(update={"train": params.train.model_copy(update=changed)})


def check(found: RangeTest) -> None:
    assert 1e-6 < found.suggestion < 1
    assert len(found.points) > 40


def test_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(held_out_texts(), Preprocessing(inputs=text_inputs(), target=text_target()))
    check(find_learning_rate(preset("gru-sms-spam", batch_size=6)))


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = row_inputs().model_copy(update={"scaling": "standard"})
    save(held_out_rows(), Preprocessing(inputs=inputs, target=row_target()))
    check(find_learning_rate(preset("mlp-diamonds")))
