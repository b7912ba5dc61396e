"""MaskSR against numbers computed by hand (§II, Appendix B): frames, mask counts, noise, span starts, sizes."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.systems.masksr.config import ModelConfig, SamplingConfig  # noqa: E402
from restorebench.systems.masksr.masking import _span_row, masked_counts, span_start_count, training_mask  # noqa: E402
from restorebench.systems.masksr.model import MaskSr, parameters, without_head  # noqa: E402
from restorebench.systems.masksr.sampling import noise_std, sample_codes  # noqa: E402
from restorebench.systems.masksr.teacher import SpectrumTeacher  # noqa: E402
from restorebench.systems.tokenizers.spectrum import spectrum  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import Codebook, frames_of  # noqa: E402
from restorebench.systems.training.config import known, load_config  # noqa: E402
from tests.tiny import small_hubert  # noqa: E402

LEFT = [3095, 3066, 3019, 2953, 2868, 2766, 2647, 2511, 2361, 2195, 2016, 1825, 1622, 1409, 1188, 959, 724, 485, 243, 0]
STD = [2.000, 1.947, 1.892, 1.835, 1.777, 1.717, 1.654, 1.589, 1.522, 1.451, 1.376, 1.298, 1.214, 1.124, 1.026, 0.918,
       0.795, 0.649, 0.459, 0]  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "frames"), [(512, 1), (513, 2), (1024, 2), (44_100, 87), (176_400, 345), (225_792, 441)]
)
def test_dac_frames_and_aligned_spectrum(samples: int, frames: int) -> None:
    assert frames_of(samples, 512) == frames
    for alignment in ("match-stride", "centred"):
        assert spectrum(torch.zeros(1, samples), 2048, 512, alignment).shape == (1, 1025, frames)  # type: ignore[arg-type]


@pytest.mark.parametrize(("samples", "frames"), [(16_000, 49), (64_000, 199), (64_080, 200)])
def test_hubert_frames(samples: int, frames: int) -> None:
    network = small_hubert(layers=1)
    with torch.no_grad():
        assert network.eval().extract_features(torch.zeros(1, samples))[0][0].shape[1] == frames


def test_bins_of_the_spectral_targets() -> None:
    config = ModelConfig()
    assert SpectrumTeacher(config, 44_100, 512, 8_000).channels == 372
    assert SpectrumTeacher(config, 44_100, 512, 22_050).channels == 1025


def test_cosine_schedule() -> None:
    counts = masked_counts(3105, 20)
    assert counts == LEFT
    unmasked = -np.diff([3105, *counts])
    assert unmasked.sum() == 3105
    assert list(unmasked[:3]) == [10, 29, 47]
    assert unmasked.max() == unmasked[-1] == 243


def test_schedule_ends_at_zero_for_any_size() -> None:
    for total in (1, 2, 17, 200, 3105):
        for steps in (1, 2, 3, 20, 100):
            counts = masked_counts(total, steps)
            assert len(counts) == steps
            assert counts[-1] == 0
            assert counts == sorted(counts, reverse=True)


def test_noise_falls_from_two_to_zero() -> None:
    config = SamplingConfig()
    assert [noise_std(i, config) for i in range(20)] == pytest.approx(STD, abs=5e-4)
    past_zero = SamplingConfig(anneal="past-zero")
    assert noise_std(0, past_zero) ** 2 == pytest.approx(3.8)
    assert noise_std(19, past_zero) == 0


@pytest.mark.parametrize(
    ("span", "starts"),
    [
        (4, [24, 55, 101, 151, 235]),
        (5, [20, 45, 84, 127, 207]),
        (6, [17, 38, 71, 110, 184]),
        (8, [13, 29, 55, 86, 150]),
    ],
)
def test_span_starts(span: int, starts: list[int]) -> None:
    assert [span_start_count(percent, 345, span) for percent in (25, 50, 75, 90, 99)] == starts


@pytest.mark.parametrize(("span", "starts", "rate"), [(5, 45, 0.502), (5, 84, 0.751), (4, 101, 0.749)])
def test_realised_rate_of_spans(span: int, starts: int, rate: float) -> None:
    rng = np.random.default_rng(0)
    assert span_start_count(round(100 * rate), 345, span) == starts
    shares = [_span_row(rng, round(rate * 345), 345, span).mean() for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(rate, abs=0.01)
    closed_form = 1 - np.prod([(345 - span - j) / (345 - j) for j in range(starts)])
    assert np.mean(shares) == pytest.approx(closed_form, abs=0.01)


def test_rows_of_a_token_mask() -> None:
    rng = np.random.default_rng(1)
    ratios, rows = [], []
    for _ in range(3000):
        mask = training_mask(rng, 9, 345)
        ratios.append(mask.mean())
        if 0.49 < mask.mean() < 0.51:
            rows.append(mask.sum(1))
    assert np.mean(np.concatenate(rows)) == pytest.approx(172.5, abs=2)
    assert np.std(np.concatenate(rows)) == pytest.approx(9, abs=1.5)
    assert np.mean(ratios) == pytest.approx(2 / np.pi, abs=0.02)  # the mean of cos(pi r / 2)


def test_span_masks_hide_as_much_as_token_masks() -> None:
    for span in (4, 5, 6, 8):
        tokens = [training_mask(np.random.default_rng(i), 9, 345).mean() for i in range(300)]
        spans = [training_mask(np.random.default_rng(i), 9, 345, span).mean() for i in range(300)]
        assert np.mean(np.subtract(spans, tokens)) == pytest.approx(0, abs=0.01)


def test_only_the_k_most_probable_codes_are_sampled() -> None:
    config = SamplingConfig(top_k=20)
    logits = torch.randn(200, 1024)
    allowed = logits.topk(20).indices
    codes, _ = sample_codes(logits, torch.rand(200), config)
    assert (codes[:, None] == allowed).any(1).all()
    greedy, _ = sample_codes(logits, torch.rand(200), SamplingConfig(temperature=0))
    assert torch.equal(greedy, logits.argmax(-1))


def millions(model: ModelConfig) -> float:
    with torch.device("meta"):
        quantiser = [Codebook(torch.empty(1024, 8), torch.empty(1024, 8), torch.empty(1024)) for _ in range(9)]
        network = MaskSr(model, 512, quantiser, taught_channels=768)
        count = sum(weight.numel() for weight in without_head(dict(network.named_parameters())).values())
        assert parameters(network) - count == model.width * 768 + 768
    return count / 1e6


@pytest.mark.parametrize(
    ("shape", "factorised", "full", "dense"),
    [(ModelConfig(), 49.55, 54.1, 54.6), (ModelConfig(width=1024, generator_blocks=12), 237.4, 246.7, 248.8)],
)
def test_sizes_of_the_two_models(shape: ModelConfig, factorised: float, full: float, dense: float) -> None:
    assert millions(shape) == pytest.approx(factorised, abs=0.051 if factorised > 100 else 0.0051)
    assert millions(shape.model_copy(update={"embeddings": "full"})) == pytest.approx(full, abs=0.051)
    both = {"embeddings": "full", "dense": True}
    assert millions(shape.model_copy(update=both)) == pytest.approx(dense, abs=0.051)


@pytest.mark.parametrize("name", [name for name in known() if name.startswith("paper/masksr")])
def test_size_of_every_variant(name: str) -> None:
    """Distillation, guidance and spans do not change the size of a model."""
    run = load_config(name)
    assert run.name == name.removeprefix("paper/")
    expected = 237.4 if run.name.endswith("-l") else 49.55
    assert millions(ModelConfig.model_validate(run.model)) == pytest.approx(expected, abs=0.051)
    assert (run.training.rate, run.training.steps, run.data.seconds) == (1e-4, 800_000, 4.0)
    assert run.training.batch * 8 == (256 if run.name.endswith("-l") else 128)
