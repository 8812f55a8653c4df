"""The emulator's metric math, by the expression with which ECS judges deployments."""

from __future__ import annotations

import pytest

from rehearsal.emulator.extensions.metric_math import evaluated

SHARE = "100 * (IF(m0_4xx < 5, 0, m0_4xx) + m0_5xx) / FILL(m0_total, 1)"


@pytest.mark.parametrize(
    ("m0_4xx", "m0_5xx", "m0_total", "share"),
    [
        (4, None, 4, 0),
        (5, None, 100, 5),
        (5, None, 1000, 0.5),
        (20, None, 1000, 2),
        (4, 1, 100, 1),
        (5, 1, 100, 6),
        (None, 1, None, 100),
        (None, None, 50, 0),
    ],
)
def test_fewer_than_five_answers_with_4xx_do_not_count(
    m0_4xx: int | None, m0_5xx: int | None, m0_total: int | None, share: float
) -> None:
    given = {"m0_4xx": m0_4xx, "m0_5xx": m0_5xx, "m0_total": m0_total}
    series = {name: {60.0: float(value)} if value is not None else {} for name, value in given.items()}
    assert evaluated(SHARE, series) == {60.0: share}


def test_the_worse_of_two_target_groups_counts_and_a_minute_without_data_has_no_value() -> None:
    assert evaluated("MAX([em0, em1])", {"em0": {60.0: 1.0, 120.0: 3.0}, "em1": {60.0: 2.0}}) == {60.0: 2.0, 120.0: 3.0}
