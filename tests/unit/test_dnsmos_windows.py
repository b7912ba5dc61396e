"""Windows that the published DNSMOS script scores, counted by hand, and its published polynomial fits."""

import numpy as np
import pytest

from restorebench.metrics.dnsmos import (
    FIT_BAK,
    FIT_OVL,
    FIT_SIG,
    HOP,
    RATE,
    WINDOW,
    full_starts,
    official_starts,
    repeated,
)

TABLE = [  # seconds of the clip, seconds after doubling, number of windows that are scored
    (1.5, 12, 3), (4, 16, 7), (7.5, 15, 6), (9.0, 18, 7), (9.01, 9.01, 1), (10, 10, 1), (11, 11, 2), (14, 14, 5),
    (17, 17, 7), (20, 20, 7), (25, 25, 7), (30, 30, 7), (33, 33, 7), (34, 34, 8), (40, 40, 14),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "doubled", "windows"), TABLE)
def test_windows_of_the_published_script(seconds: float, doubled: float, windows: int) -> None:
    signal = repeated(np.zeros(round(seconds * RATE), np.float32))
    assert len(signal) == round(doubled * RATE)
    starts = official_starts(len(signal))
    assert len(starts) == windows
    assert max(starts) + WINDOW <= len(signal)


def test_the_script_skips_windows_that_start_at_7_to_23_seconds() -> None:
    missing = set(full_starts(40 * RATE)) - set(official_starts(40 * RATE))
    assert missing == {i * HOP for i in range(7, 24)}


@pytest.mark.parametrize(("fit", "mos"), [(FIT_OVL, 3.932), (FIT_SIG, 4.010), (FIT_BAK, 4.358)])
def test_fits_at_a_raw_score_of_five(fit: tuple[float, ...], mos: float) -> None:
    assert np.polyval(fit, 5.0) == pytest.approx(mos, abs=5e-4)
