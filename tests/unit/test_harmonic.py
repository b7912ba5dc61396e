"""Pitch and excitation of the frame codecs, checked against closed forms."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from restorebench.systems.tokenizers import losses  # noqa: E402
from restorebench.systems.tokenizers.harmonic import aligned_phase, phase_of, pulses  # noqa: E402
from restorebench.systems.tokenizers.pitch import track  # noqa: E402

RATE, HOP = 16_000, 320


def tone(hz: float, seconds: float = 1.0, harmonics: int = 8, offset: float = 0.0) -> torch.Tensor:
    """A sum of harmonics k with amplitudes in proportion to 1 / k; `offset` is the first one's phase in radians."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    angle = 2 * math.pi * hz * time + offset
    return sum(torch.cos(k * angle) / k for k in range(1, harmonics + 1)).float()[None] / 4  # type: ignore[union-attr]


@pytest.mark.parametrize("hz", [65.0, 110.0, 220.0, 400.0])
def test_the_pitch_of_a_tone_is_found_within_a_percent(hz: float) -> None:
    pitch = track(tone(hz), RATE, HOP)
    assert pitch.hz.shape == (1, 50)
    inner = slice(3, -3)
    assert torch.allclose(pitch.hz[0, inner], torch.tensor(hz), rtol=0.01)
    assert float(pitch.periodicity[0, inner].min()) > 0.9


def test_noise_and_silence_have_no_pitch() -> None:
    noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert float(track(noise, RATE, HOP).periodicity.mean()) < 0.5
    assert float(track(torch.zeros(1, RATE), RATE, HOP).periodicity.max()) == 0


def test_pulses_are_the_sum_of_their_harmonics() -> None:
    """Dirichlet's kernel in closed form equals the explicit sum; its power is 1."""
    hz = torch.full((1, 50), 151.0)
    phase = phase_of(hz, HOP, RATE)
    count = math.floor(0.975 * RATE / 2 / 151.0)
    explicit_sum = sum(torch.cos(k * phase) for k in range(1, count + 1)) * math.sqrt(2 / count)
    closed_form = pulses(phase, hz, HOP, RATE)
    assert torch.allclose(closed_form.double(), explicit_sum, atol=2e-2)  # type: ignore[arg-type]
    assert float(closed_form.square().mean()) == pytest.approx(1.0, rel=0.05)


def test_aligned_pulses_have_the_phase_of_the_recording() -> None:
    clean = tone(150.0, offset=2.0)
    hz, share = torch.full((1, 50), 150.0), torch.ones(1, 50)
    phase = phase_of(hz, HOP, RATE)
    free = losses.aligned_phase(pulses(phase, hz, HOP, RATE), clean, share, RATE)
    locked = losses.aligned_phase(pulses(aligned_phase(clean, phase, RATE), hz, HOP, RATE), clean, share, RATE)
    assert float(locked) < 0.1
    assert float(free) > 0.5


def test_every_loss_is_zero_for_the_recording_itself() -> None:
    clean = tone(150.0) + 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    share = torch.ones(1, 50)
    distance = losses.SpectralDistance(RATE)
    values = [*distance(clean, clean), losses.low_band(clean, clean, RATE), losses.phase_advance(clean, clean, RATE),
              losses.aligned_phase(clean, clean, share, RATE)]  # fmt: skip
    assert all(abs(float(value)) < 2e-3 for value in values)


def test_phase_advance_does_not_depend_on_absolute_phase() -> None:
    clean = tone(150.0)
    assert float(losses.phase_advance(tone(150.0, offset=1.0), clean, RATE)) < 0.02
    assert float(losses.phase_advance(tone(160.0), clean, RATE)) > 0.2
