"""When signs become an alarm, and when it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from components.monitor.history import alarms
from components.monitor.record import JudgedWindow
from components.params.sections import MonitorParams
from components.params.sections.monitor import Kind

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def section(**changes: object) -> MonitorParams:
    given = {
        "window": 500, "every_minutes": 60, "alarms_per_month": 1, "resamples": 10000,
        "inputs": "kolmogorov_smirnov", "features": None, "predictions": None, "confidence": None,
        "confirmations": 2, "quiet_windows": 2, "cooldown_hours": 5, "service": None, "quality": None,
        "retrain_on": ["inputs"],
    }  # fmt: skip
    return MonitorParams.model_validate({**given, **changes})


def told(signs: list[tuple[Kind, ...]], params: MonitorParams) -> list[tuple[tuple[Kind, ...], tuple[Kind, ...]]]:
    """What is raised and what stands at the end of each window, one an hour."""
    windows: list[JudgedWindow] = []
    for hour, firing in enumerate(signs):
        at = BEGAN + hour * HOUR
        raised, standing = alarms(windows, firing, at, params)
        windows.append(
            JudgedWindow(
                model="digits", version=1, since=at, until=at, judged=at, samples=500, findings=(), quality=None,
                requests=None, firing=firing, raised=raised, standing=standing,
            )
        )  # fmt: skip
    return [(window.raised, window.standing) for window in windows]


def test_an_alarm_takes_signs_in_a_row_and_stands_until_some_windows_are_quiet() -> None:
    on, off = ("inputs",), ()
    signs: list[tuple[Kind, ...]] = [on, off, on, on, on, off, on, off, off, off]
    raised = [bool(each) for each, _ in told(signs, section())]
    standing = [bool(each) for _, each in told(signs, section())]
    assert raised == [False, False, False, True, False, False, False, False, False, False]
    assert standing == [False, False, False, True, True, True, True, True, False, False]


def test_an_alarm_that_still_fires_is_raised_again_after_the_cooldown() -> None:
    signs: list[tuple[Kind, ...]] = [("inputs",)] * 13
    found = told(signs, section())
    assert [hour for hour, (raised, _) in enumerate(found) if raised] == [1, 6, 11]
    assert all(standing == ("inputs",) for _, standing in found[1:]), "it is the same alarm, and named once"
    calm: list[tuple[Kind, ...]] = [("inputs",)] * 6 + [()] * 6
    assert sum(bool(raised) for raised, _ in told(calm, section())) == 1, "one that only stands is not"


def test_after_an_alarm_its_kind_is_quiet_for_a_while_and_others_are_not() -> None:
    on, both = ("inputs",), ("inputs", "errors")
    signs: list[tuple[Kind, ...]] = [on, on, (), (), on, on, both, both, (), ()]
    found = told(signs, section())
    assert [hour for hour, (raised, _) in enumerate(found) if "inputs" in raised] == [1, 6]
    assert [hour for hour, (raised, _) in enumerate(found) if "errors" in raised] == [7]
    eager = told(signs, section(cooldown_hours=0))
    assert [hour for hour, (raised, _) in enumerate(eager) if "inputs" in raised] == [1, 5, 6, 7]


def test_one_window_is_enough_if_params_say_so() -> None:
    assert told([("latency",)], section(confirmations=1)) == [(("latency",), ("latency",))]


def test_the_rate_of_a_window_follows_from_the_budget_of_a_month() -> None:
    assert section(confirmations=1).rate == pytest.approx(1 / 720)
    assert section(confirmations=2).rate == pytest.approx((1 / 720) ** 0.5)
    with pytest.raises(
        ValidationError, match=r"1,000 resamples do not tell .* one of 720 windows. Set resamples to 7,200"
    ):
        section(confirmations=1, resamples=1000)
    with pytest.raises(ValidationError, match="raises no 1 alarms a month"):
        section(every_minutes=43200)
