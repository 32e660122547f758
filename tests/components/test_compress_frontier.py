import numpy as np
import pytest

from components.compress.frontier import Slowdown, choose, dominating, refusal, slowdown
from components.contracts import ClassTarget, ValueTarget, Variant
from components.params import load_params
from components.params.sections import CompressBudgetParams
from tests.places import REPOSITORY
from tests.variants import make_variant

CLASSES = ClassTarget(labels=("a", "b"), counts=(1, 1))
BUDGET = CompressBudgetParams(
    max_score_drop=0.005, max_class_drop=0.02, max_bytes=900, max_latency_ratio=1.0, max_latency_ms=5.0
)
SECTION = load_params(REPOSITORY / "params.yaml").compress.model_copy(update={"budget": BUDGET})


FP32 = make_variant("fp32")
SAME = Slowdown(1.0, 0.99, 1.01)
SLOWER = Slowdown(1.5, 1.45, 1.55)


def judged(one: Variant, slower: Slowdown = SAME, budget: CompressBudgetParams = BUDGET) -> str | None:
    return refusal(one, FP32, {"fp32": slower}, budget, CLASSES)


@pytest.mark.parametrize(
    ("int8", "slower", "words"),
    [
        (make_variant("int8", accuracy=0.89, size=300), SAME, "loses 1.00% of validation accuracy"),
        (make_variant("int8", accuracy=float("nan"), size=300), SAME, "loses nan%"),
        (make_variant("int8", classes=(0.95, 0.85), size=300), SAME, "loses 5.00% of the recall of b"),
        (make_variant("int8", size=950), SAME, "has 950 bytes; budget.max_bytes allows 900"),
        (
            make_variant("int8", milliseconds=1.5, size=300),
            SLOWER,
            "takes 1.50 × the time of fp32, which it was made from",
        ),
        (make_variant("int8", milliseconds=6, size=300), SAME, "takes 6.000 ms; budget.max_latency_ms allows 5 ms"),
        (make_variant("int8", size=300), SAME, None),
    ],
)
def test_a_variant_that_breaks_the_budget_is_refused_in_words(
    int8: Variant, slower: Slowdown, words: str | None
) -> None:
    reason = judged(int8, slower)
    chosen, why = choose([FP32, int8.model_copy(update={"refused": reason})], {}, SECTION, CLASSES)
    if words is None:
        assert reason is None
        assert chosen.name == "int8"
        assert "3.3 × smaller and 1.00 × as fast" in why
    else:
        assert reason is not None
        assert words in reason
        assert chosen.name == "fp32"
        assert words in why


def test_a_variant_slower_than_what_it_was_made_from_is_refused_even_if_faster_than_fp32() -> None:
    thin_int8 = make_variant("thin_int8", size=100, milliseconds=0.8).model_copy(update={"of": "thin"})
    faster, slower = Slowdown(0.8, 0.79, 0.81), Slowdown(1.1, 1.05, 1.2)
    reason = refusal(thin_int8, FP32, {"fp32": faster, "thin": slower}, BUDGET, CLASSES)
    assert reason == "it takes 1.10 × the time of thin, which it was made from"


@pytest.mark.parametrize("of", ["fp32", "thin"])
def test_a_difference_that_the_next_run_may_not_show_is_no_slowdown(of: str) -> None:
    half = make_variant("half", size=500, milliseconds=1.01).model_copy(update={"of": of})
    barely, really = Slowdown(1.011, 1.006, 1.015), Slowdown(1.05, 1.04, 1.06)
    assert refusal(half, FP32, {"fp32": barely, "thin": barely}, BUDGET, CLASSES) is None
    assert refusal(half, FP32, {"fp32": really, "thin": really}, BUDGET, CLASSES) == (
        f"it takes 1.05 × the time of {of}, which it was made from"
    )


def test_a_variant_whose_answers_depend_on_their_company_is_refused() -> None:
    moody = make_variant("dynamic", size=300).model_copy(update={"company_difference": 0.02})
    assert judged(moody) == (
        "its answers depend on the other samples of a batch, by up to 0.02, and a server allows 0.01"
    )
    assert judged(moody.model_copy(update={"company_difference": 0.01})) is None


def test_a_budget_may_ask_for_more_speed_than_that_of_fp32() -> None:
    fast = BUDGET.model_copy(update={"max_latency_ratio": 0.5})
    reason = judged(make_variant("int8", size=300), Slowdown(0.7, 0.68, 0.72), fast)
    assert reason == "it takes 0.70 × the time of fp32; budget.max_latency_ratio allows 0.5 ×"


def test_as_large_as_fp32_is_no_compression() -> None:
    unbounded = BUDGET.model_copy(update={"max_bytes": None})
    assert (
        judged(make_variant("sparse", size=1000), SAME, unbounded) == "it has 1,000 bytes, and fp32 no more than 1,000"
    )


def test_a_drop_of_exactly_what_is_allowed_is_allowed() -> None:
    assert judged(make_variant("int8", accuracy=0.895, size=300)) is None


def test_where_no_variant_is_asked_for_it_is_said() -> None:
    assert choose([FP32], {}, SECTION, CLASSES) == (FP32, "fp32, because compress.variants names no other")


def test_noise_is_no_slowdown() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        base = random.lognormal(0, 0.1, 200)
        ratio = slowdown(base * random.lognormal(0, 0.05, 200), base * random.lognormal(0, 0.05, 200))
        assert ratio.low < ratio.median < ratio.high
    slower = slowdown(base * 1.1 * random.lognormal(0, 0.05, 200), base)
    assert slower.low > 1.05
    assert slower.median == pytest.approx(1.1, abs=0.03)


def test_the_interval_of_a_slowdown_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        found = slowdown(random.lognormal(0, 0.3, 50), np.ones(50))
        held += found.low <= 1.0 <= found.high
    assert 0.94 <= held / 1000 <= 0.99


def test_the_objective_decides_among_the_variants_within_the_budget() -> None:
    small = make_variant("small", accuracy=0.896, size=100, milliseconds=0.9)
    fast = make_variant("fast", accuracy=0.897, size=200, milliseconds=0.3)
    good = make_variant("good", accuracy=0.905, size=300, milliseconds=0.8)
    refused = make_variant("refused", accuracy=0.91, size=10, milliseconds=0.1, refused="no")
    for objective, expected in (("bytes", "small"), ("latency", "fast"), ("score", "good")):
        section = SECTION.model_copy(update={"objective": objective})
        assert choose([FP32, small, fast, good, refused], {}, section, CLASSES)[0].name == expected


@pytest.mark.parametrize(("accuracy", "words"), [(0.896, "at -0.40 points of"), (0.905, "at +0.50 points of")])
def test_what_the_choice_costs_or_gains_is_told_by_its_sign(accuracy: float, words: str) -> None:
    _, why = choose([FP32, make_variant("int8", accuracy=accuracy, size=300)], {}, SECTION, CLASSES)
    assert why.endswith(f"as fast as fp32, {words} validation accuracy")


def test_a_dominated_variant_is_told_by_which() -> None:
    small, slow = make_variant("small", size=100), make_variant("slow", size=100, milliseconds=2.0)
    everything = [FP32, small, slow]
    assert dominating(slow, everything) == "small"
    assert dominating(FP32, everything) == "small"
    assert dominating(small, everything) is None
    assert dominating(FP32, [make_variant("twin")]) is None, "equal in all is not beaten"


def test_a_variant_that_could_not_be_made_is_told() -> None:
    chosen, why = choose([FP32], {"int8": "the quantizer knows no such operator"}, SECTION, CLASSES)
    assert chosen.name == "fp32"
    assert "int8: the quantizer knows no such operator" in why


def test_of_values_the_drop_is_one_of_r2() -> None:
    values = ValueTarget(name="price", mean=0.0, std=1.0, low=-1.0, high=1.0)
    reason = refusal(make_variant("int8", accuracy=0.8925, size=1), FP32, {"fp32": SAME}, BUDGET, values)
    assert reason == "it loses 0.0075 of validation R²; budget.max_score_drop allows 0.0050"
