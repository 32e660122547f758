import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts import INPUTS, PREPARED, ClassTarget, Incomparable, LabelledArrays, ValueTarget
from components.errors import DataError
from components.gate import Candidate, ClassDuel, GateDecision, ValueDuel, decide, judge
from components.gate.duels import mcnemar_worse, wilcoxon_worse
from components.gate.judging import REPORT
from components.package import ModelSignature, seal
from components.params import Params, parse_params
from components.params.sections import ClassificationGateParams, GateParams
from components.promote import promote, rollback
from components.splits import draw_for_test
from tests.line_factory import write_ingested
from tests.package_factory import DIGITS, SIDE, fitted, held_out, make_package
from tests.places import REPOSITORY
from tests.shelf import NAME, Shelf

GATE = ClassificationGateParams(
    significance=0.05,
    max_score_drop=0.01,
    max_class_recall_drop=0.05,
    min_gain_over_baseline=0.1,
    max_latency_ratio=2.0,
    max_bytes=1000,
)
PETS = ClassTarget(labels=("cat", "dog"), counts=(10, 10))
GOOD = Candidate(version=3, target=PETS, graph_bytes=1000, score=0.9, baseline="majority", baseline_score=0.5)
SAMPLES = 1000
TRUTH = np.arange(SAMPLES) % 2


def duel(challenger_wrong: slice, champion_wrong: slice, challenger_ms: float = 1.0) -> ClassDuel:
    """Two classes in turn; each is wrong on some samples."""
    challenger, champion = TRUTH.copy(), TRUTH.copy()
    challenger[challenger_wrong] = -1
    champion[champion_wrong] = -1
    return ClassDuel(2, challenger_ms, 1.0, "", PETS, TRUTH, challenger, champion)


def failed(decision: GateDecision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


def test_the_first_model_stands_on_its_own() -> None:
    decision = decide(NAME, GOOD, None, None, GATE)
    assert decision.passed
    assert [check.name for check in decision.checks] == ["size", "gain_over_baseline"]
    assert decision.sentence() == (
        "Version 3 of 'digits' may become the first champion. Its graph has 1,000 bytes; 1,000 are allowed. "
        "Its accuracy on the test split is 90.00%, that of the baseline majority 50.00%."
    )


@pytest.mark.parametrize(
    ("candidate", "check", "words"),
    [
        (Candidate(3, PETS, 1001, 0.9, "majority", 0.5), "size", "Its graph has 1,001 bytes; 1,000 are allowed."),
        (Candidate(3, PETS, 1000, 0.599, "majority", 0.5), "gain_over_baseline", "a gain of 10.00 points is asked"),
    ],
)
def test_the_absolute_conditions_refuse_by_themselves(candidate: Candidate, check: str, words: str) -> None:
    decision = decide(NAME, candidate, None, None, GATE)
    assert not decision.passed
    assert failed(decision) == [check]
    assert decision.sentence().startswith("Version 3 of 'digits' must not become the first champion.")
    assert words in decision.sentence()


def test_a_graph_that_could_not_be_compressed_is_told_and_may_pass() -> None:
    candidate = replace(GOOD, uncompressed="fp32, because no compressed variant keeps the budget (int8: it is slower)")
    decision = decide(NAME, candidate, None, None, GATE)
    assert decision.passed
    assert "It is not compressed: fp32, because no compressed variant keeps the budget" in decision.sentence()


def test_a_gain_of_exactly_what_is_asked_passes() -> None:
    assert decide(NAME, Candidate(3, PETS, 1000, 0.6, "majority", 0.5), None, None, GATE).passed


def test_a_challenger_as_good_as_the_champion_passes() -> None:
    decision = decide(NAME, GOOD, 2, duel(slice(0, 90), slice(10, 100)), GATE)
    assert decision.passed
    assert decision.champion == 2
    sentence = decision.sentence()
    assert sentence.startswith("Version 3 of 'digits' may replace version 2.")
    assert "Its accuracy is 91.00% on the same 1,000 samples, version 2's 91.00%." in sentence
    assert "It alone is right on 10 samples, version 2 alone on 10" in sentence


def test_the_drop_in_accuracy_is_bounded_to_the_sample() -> None:
    assert failed(decide(NAME, GOOD, 2, duel(slice(0, 10), slice(0, 0)), GATE)) == ["paired_test"]
    loose = GATE.model_copy(update={"significance": 1e-9})
    assert failed(decide(NAME, GOOD, 2, duel(slice(0, 10), slice(0, 0)), loose)) == []
    assert failed(decide(NAME, GOOD, 2, duel(slice(0, 11), slice(0, 0)), loose)) == ["score"]


def test_worse_and_not_by_chance_is_refused_within_the_allowed_drop() -> None:
    """0.6 points lost, all of them one-sided: less than is allowed, but no accident."""
    decision = decide(NAME, GOOD, 2, duel(slice(0, 6), slice(0, 0)), GATE)
    assert failed(decision) == ["paired_test"]
    assert "it is worse, and not by chance" in decision.sentence()


def test_a_class_that_lost_too_much_is_named() -> None:
    decision = decide(NAME, GOOD, 2, duel(slice(0, 60, 2), slice(1, 60, 2)), GATE)
    assert failed(decision) == ["class_recall"]
    assert "a class lost is 6.0 points (cat); 5.0 points are allowed" in decision.sentence()
    recalls = next(check for check in decision.checks if check.name == "class_recall")
    assert recalls.figures["drops"] == pytest.approx({"cat": 0.06, "dog": -0.06})


def test_a_class_without_samples_is_no_obstacle() -> None:
    only_dogs = ClassDuel(2, 1.0, 1.0, "", PETS, np.ones(9, int), np.ones(9, int), np.ones(9, int))
    assert decide(NAME, GOOD, 2, only_dogs, GATE).passed


def test_a_slower_challenger_is_refused() -> None:
    assert failed(decide(NAME, GOOD, 2, duel(slice(0, 0), slice(0, 0), challenger_ms=2.1), GATE)) == ["latency"]
    assert decide(NAME, GOOD, 2, duel(slice(0, 0), slice(0, 0), challenger_ms=2.0), GATE).passed


def test_what_cannot_be_compared_does_not_pass() -> None:
    decision = decide(NAME, GOOD, 2, Incomparable(version=2, reason="It knows labels that are lost: bag."), GATE)
    assert failed(decision) == ["comparison"]
    assert "cannot be compared with version 2: It knows labels that are lost: bag." in decision.sentence()


@pytest.mark.parametrize(
    ("only_challenger", "only_champion", "p_value"),
    [(0, 0, 1.0), (0, 5, 1 / 32), (5, 0, 1.0), (1, 3, 5 / 16), (412, 380, 0.8795)],
)
def test_the_paired_test_is_the_binomial_tail(only_challenger: int, only_champion: int, p_value: float) -> None:
    """By hand: P(X <= 1) of 4 fair coins is (1 + 4) / 16."""
    assert mcnemar_worse(only_challenger, only_champion) == pytest.approx(p_value, abs=1e-4)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The files of the gate lie below ``tmp_path``: the test split is the digits that no model has seen."""
    monkeypatch.chdir(tmp_path)
    write_test_split(held_out(), DIGITS)
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    params = parse_params(text.replace("name: fashion-mnist", f"name: {NAME}"))
    forgiving = params.gate.model_copy(update={"max_latency_ratio": 1000.0})  # the machine is busy with other tests
    return params.model_copy(update={"gate": forgiving})


def write_test_split(samples: LabelledArrays, labels: tuple[str, ...]) -> None:
    samples.save(PREPARED / "test")
    fitted(labels).write(PREPARED / "preprocessing.json")
    write_ingested(Path(), labels)


def publish(shelf: Shelf, name: str, **kind: object) -> int:
    folder = shelf.package(0.0).with_name(name)
    return shelf.register(folder, make_package(folder, shelf.settings, **kind))  # type: ignore[arg-type]


def compared(decision: GateDecision) -> dict[str, float]:
    return next(check.figures for check in decision.checks if check.name == "score")


def test_both_graphs_are_asked_about_the_same_samples(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", bias=0.5))
    decision = judge(params, shelf.settings, publish(shelf, "challenger"))
    assert decision.passed, decision.sentence()
    figures = compared(decision)
    assert figures["samples"] == 797
    assert figures["champion"] == pytest.approx(0.89084, abs=1e-5)
    assert figures["challenger"] == pytest.approx(0.88959, abs=1e-5)
    assert json.loads(REPORT.read_text()) == decision.model_dump(mode="json")


def test_a_spoilt_challenger_is_refused(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    decision = judge(params, shelf.settings, publish(shelf, "challenger", bias=100))
    assert failed(decision) == ["score", "paired_test", "class_recall", "gain_over_baseline"]


def test_without_a_champion_no_samples_are_needed(
    shelf: Shelf, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shelf.settings.home)
    decision = judge(params, shelf.settings, publish(shelf, "challenger"))
    assert decision.passed
    assert decision.champion is None


def test_the_champion_is_not_compared_with_itself(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    decision = judge(params, shelf.settings, 1)
    assert decision.passed
    assert decision.sentence().startswith("Version 1 of 'digits' is the champion already, and may stay it.")


def test_the_same_graph_under_another_number_is_nothing_new(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", test_share=0.2))
    decision = judge(params, shelf.settings, publish(shelf, "challenger", test_share=0.5))
    assert not decision.passed
    assert decision.sentence() == (
        "Version 2 of 'digits' need not replace version 1. "
        "It is the very same graph as version 1, so there is nothing to promote."
    )


def test_the_same_graph_with_other_names_for_its_answers_is_another_model(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    package = shelf.package(0.0).with_name("renamed")
    make_package(package, shelf.settings)
    signature = ModelSignature.read(package / "signature.json")
    renamed = ("nought", *DIGITS[1:])
    target = signature.target.model_copy(update={"labels": renamed})
    signature.model_copy(update={"target": target}).write(package / "signature.json")
    version = shelf.register(package, seal(package, shelf.settings.private_key, shelf.settings.public_keys))
    assert failed(judge(params, shelf.settings, version)) == ["comparison"]


def test_a_graph_that_was_rolled_back_does_not_come_back_by_itself(shelf: Shelf, params: Params) -> None:
    publish(shelf, "good", bias=0.5)
    publish(shelf, "bad")
    promote(shelf.settings, NAME, 1, None, "first")
    promote(shelf.settings, NAME, 2, 1, "not shown to be worse")
    rollback(shelf.settings, NAME, "complaints about sevens")
    again = publish(shelf, "bad again", test_share=0.3)
    for version in (2, again):
        decision = judge(params, shelf.settings, version)
        assert failed(decision) == ["rolled_back"]
        assert decision.sentence() == (
            f"Version {version} of 'digits' must not replace version 1. It is the very same graph as version 2, which "
            "was rolled back: complaints about sevens. Promote it by hand if that is settled."
        )
    promote(shelf.settings, NAME, 2, 1, "settled")
    assert judge(params, shelf.settings, 2).passed
    promote(shelf.settings, NAME, 1, 2, "once more")
    assert "rolled_back" not in failed(judge(params, shelf.settings, again))


def test_without_the_samples_of_a_line_the_gate_says_what_to_do(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    shutil.rmtree(PREPARED)
    with pytest.raises(DataError, match="Run the line first"):
        judge(params, shelf.settings, publish(shelf, "challenger", bias=1))


def test_samples_that_the_champion_was_trained_on_are_left_out(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", test_share=0.2))
    held = held_out()
    kept = [sample for sample in held.ids if draw_for_test(sample) < 0.2]
    assert 0 < len(kept) < len(held.ids)
    decision = judge(params, shelf.settings, publish(shelf, "challenger", bias=0.5, test_share=0.5))
    assert compared(decision)["samples"] == len(kept)
    assert (
        f"{len(held.ids) - len(kept)} test samples were left out: one of the two was trained on" in decision.sentence()
    )


def test_a_champion_whose_test_split_is_unknown_is_not_compared(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", test_share=None))
    decision = judge(params, shelf.settings, publish(shelf, "challenger", bias=0.5, test_share=0.2))
    assert failed(decision) == ["comparison"]
    assert "nobody can tell which of these samples it was trained on" in decision.sentence()


def test_labels_in_another_order_are_matched_by_name(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", labels=tuple(reversed(DIGITS))))
    decision = judge(params, shelf.settings, publish(shelf, "challenger"))
    assert compared(decision)["champion"] == compared(decision)["challenger"] > 0.85


def test_a_new_label_is_left_out_of_the_comparison(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion", labels=DIGITS[:9]))
    decision = judge(params, shelf.settings, publish(shelf, "challenger"))
    held = held_out()
    assert compared(decision)["samples"] == (held.labels != 9).sum()
    assert "81 test samples were left out: one of the two does not know their class." in decision.sentence()


def test_a_lost_label_is_refused(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    write_test_split(held_out(DIGITS[:9]), DIGITS[:9])
    decision = judge(params, shelf.settings, publish(shelf, "challenger", labels=DIGITS[:9]))
    assert failed(decision) == ["comparison"]
    assert "It knows labels that the challenger does not: nine." in decision.sentence()


def test_samples_of_another_shape_are_an_error(shelf: Shelf, params: Params) -> None:
    shelf.promote(publish(shelf, "champion"))
    np.save(INPUTS, held_out().inputs.repeat(2, axis=1))
    with pytest.raises(DataError, match=f"the samples are {2 * SIDE} × {SIDE} × 1"):
        judge(params, shelf.settings, publish(shelf, "challenger", bias=1))


PRICE = ValueTarget(name="price", mean=0.0, std=1.0, low=-3.0, high=3.0)
PRICES = np.random.default_rng(3).normal(size=SAMPLES).astype(np.float32)
VALUE_GATE = GateParams(
    significance=0.05, max_score_drop=0.01, min_gain_over_baseline=0.1, max_latency_ratio=2.0, max_bytes=1000
)
GOOD_VALUE = Candidate(version=3, target=PRICE, graph_bytes=1000, score=0.9, baseline="mean", baseline_score=0.0)


def value_duel(challenger_error: float, champion_error: float) -> ValueDuel:
    """Errors of a stated size, in turns to either side."""
    sides = np.where(TRUTH == 1, 1, -1).astype(np.float32)
    return ValueDuel(2, 1.0, 1.0, "", PRICE, PRICES, PRICES + challenger_error * sides, PRICES + champion_error * sides)


def test_a_test_split_that_is_too_small_to_decide_is_told() -> None:
    """By hand: (1.6449 + 0.8416) · sqrt(21 / 1002 / 1002) = 1.137 points for 10 samples won and 10 lost of 1,000."""
    decision = decide(NAME, GOOD, 2, duel(slice(0, 10), slice(10, 20)), GATE)
    assert decision.passed, "it is no reason against a challenger"
    (told,) = [check for check in decision.checks if check.name == "test_size"]
    assert told.figures["sure_drop"] == pytest.approx(0.01137, abs=1e-5)
    assert told.sentence == (
        "The test split is too small to decide: with 1,000 samples a loss of 1.00 points can be chance; one of 1.14 "
        "points would show in four cases of five."
    )
    assert told.sentence in decision.sentence()
    assert "too small" not in decide(NAME, GOOD, 2, duel(slice(0, 5), slice(5, 10)), GATE).sentence()


def test_models_that_never_differ_on_few_samples_are_not_known_to_be_equal() -> None:
    few = np.arange(30) % 2
    decision = decide(NAME, GOOD, 2, ClassDuel(2, 1.0, 1.0, "", PETS, few, few, few), GATE)
    assert "too small to decide: with 30 samples" in decision.sentence()


def test_a_test_split_of_values_can_be_too_small_as_well() -> None:
    noise = np.random.default_rng(4).normal(scale=0.2, size=(2, SAMPLES)).astype(np.float32)
    large = ValueDuel(2, 1.0, 1.0, "", PRICE, PRICES, PRICES + noise[0], PRICES + noise[1])
    few = ValueDuel(2, 1.0, 1.0, "", PRICE, PRICES[:40], (PRICES + noise[0])[:40], (PRICES + noise[1])[:40])
    assert "too small" not in decide(NAME, GOOD_VALUE, 2, large, VALUE_GATE).sentence()
    assert (
        "too small to decide: with 40 samples a loss of 0.0100"
        in decide(NAME, GOOD_VALUE, 2, few, VALUE_GATE).sentence()
    )


def test_values_are_compared_by_their_r2_and_by_their_errors() -> None:
    decision = decide(NAME, GOOD_VALUE, 2, value_duel(0.1, 0.1), VALUE_GATE)
    assert decision.passed
    assert [check.name for check in decision.checks] == [
        "score",
        "paired_test",
        "latency",
        "size",
        "gain_over_baseline",
    ]
    expected = 1 - 0.01 / PRICES.astype(np.float64).var()
    assert decision.checks[0].figures["challenger"] == pytest.approx(expected, abs=1e-6)
    assert f"Its R² is {expected:.4f} on the same 1,000 samples" in decision.sentence()


def test_a_regression_that_is_further_off_is_refused() -> None:
    assert failed(decide(NAME, GOOD_VALUE, 2, value_duel(0.11, 0.1), VALUE_GATE)) == ["paired_test"]
    assert failed(decide(NAME, GOOD_VALUE, 2, value_duel(0.2, 0.1), VALUE_GATE)) == ["score", "paired_test"]
    assert decide(NAME, GOOD_VALUE, 2, value_duel(0.09, 0.1), VALUE_GATE).passed


def test_the_signed_rank_test_by_hand() -> None:
    """Of three errors, all larger: one of the eight equally likely sets of signs."""
    assert wilcoxon_worse(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / 8)
    assert wilcoxon_worse(np.zeros(5)) == 1.0
