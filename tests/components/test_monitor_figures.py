"""The figures of the monitor's pages, also of signs that have no end."""

import warnings
from datetime import UTC, datetime

import pytest

from components.monitor.figures import strengths_plot, timeline_plot
from components.monitor.record import Finding, JudgedWindow

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(("statistic", "threshold"), [(1.0, 5e-324), (1e300, 1.0), (0.0, 1.0), (2.0, 1.0)])
def test_a_sign_of_any_strength_is_drawn(statistic: float, threshold: float) -> None:
    found = Finding(
        kind="inputs", name="mean", method="kolmogorov_smirnov", statistic=statistic, threshold=threshold,
        before=None, now=None,
    )  # fmt: skip
    window = JudgedWindow(
        model="digits", version=1, since=AT, until=AT, judged=AT, samples=500, findings=(found,), quality=None,
        requests=None, firing=(), raised=(), standing=(),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drawn in (strengths_plot([found]), timeline_plot([window])):
            assert drawn.light.startswith("data:image/svg+xml")
