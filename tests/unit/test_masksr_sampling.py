"""Properties that sampling has with any weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.masksr.config import ModelConfig, SamplingConfig  # noqa: E402
from restorebench.systems.masksr.masking import masked_counts  # noqa: E402
from restorebench.systems.masksr.model import MaskSr  # noqa: E402
from restorebench.systems.masksr.rows import masksr  # noqa: E402
from restorebench.systems.masksr.sampling import draw, guided_hidden, lowest_spans, noise_std, sample, step  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import Codebook  # noqa: E402
from tests.tiny import CODEC, random_checkpoint  # noqa: E402

CODEBOOKS, SIZE, FRAMES = 3, 16, 43


@pytest.fixture(scope="module")
def model() -> MaskSr:
    torch.manual_seed(0)
    quantiser = [Codebook(torch.randn(SIZE, 8), torch.randn(32, 8), torch.randn(32)) for _ in range(CODEBOOKS)]
    config = ModelConfig(width=32, heads=2, encoder_blocks=1, generator_blocks=2, window=256)
    return MaskSr(config, 64, quantiser).eval()


def features(batch: int) -> torch.Tensor:
    return torch.randn(batch, FRAMES, 32, generator=torch.Generator().manual_seed(9))


def rngs(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def test_guidance_zero_is_the_plain_conditional_model(model: MaskSr) -> None:
    codes = torch.randint(0, SIZE + 1, (2, CODEBOOKS, FRAMES))
    with torch.no_grad():
        plain = model.generator(codes, features(2))
        assert torch.equal(guided_hidden(model.generator, codes, features(2), 0.0), plain)
        nearly = guided_hidden(model.generator, codes, features(2), 1e-6)
        assert torch.allclose(nearly, plain, atol=1e-4)


def test_guidance_on_hidden_states_is_guidance_on_logits(model: MaskSr) -> None:
    codes = torch.full((1, CODEBOOKS, FRAMES), SIZE)
    with torch.no_grad():
        null = model.generator.null.expand_as(features(1))
        conditional = model.generator.logits(model.generator(codes, features(1)))
        unconditional = model.generator.logits(model.generator(codes, null))
        guided = model.generator.logits(guided_hidden(model.generator, codes, features(1), 1.5))
    assert torch.allclose(guided, 2.5 * conditional - 1.5 * unconditional, atol=1e-4)


@pytest.mark.parametrize("span", [1, 4, 5, 6, 8])
@pytest.mark.parametrize("score", ["log-probability", "logit"])
def test_known_codes_stay_and_none_is_left_masked(model: MaskSr, span: int, score: str) -> None:
    config = SamplingConfig(score=score)
    spans = math.ceil(FRAMES / span)
    codes = torch.full((2, CODEBOOKS, FRAMES), SIZE)
    generators = rngs(1, 2)
    for iteration, left in enumerate(masked_counts(CODEBOOKS * FRAMES, 20)):
        with torch.no_grad():
            hidden = guided_hidden(model.generator, codes, features(2), 1.0)
        draws = draw(generators, CODEBOOKS, FRAMES, spans, codes.device)
        after = step(model.generator, hidden, codes, draws, left, noise_std(iteration, config), config, span)
        known = codes != SIZE
        assert torch.equal(after[known], codes[known])
        masked = (after == SIZE).sum((1, 2))
        assert (masked == left).all() if span == 1 else ((masked <= left) & (masked > left - span)).all()
        codes = after
    assert (codes != SIZE).all()
    generators = rngs(1, 2)
    assert torch.equal(sample(model.generator, features(2), generators, config, span), codes)


def test_a_seed_gives_the_same_sound_in_any_batch(tmp_path: Path) -> None:
    """Tests the system, since it groups the windows, at a width where matrix kernels depend on the batch's shape."""
    shape = {"width": 256, "heads": 8, "encoder_blocks": 1, "generator_blocks": 2, "window": 1280, "seconds": 1.0}
    checkpoint = random_checkpoint(
        tmp_path / "wide.safetensors", shape, CODEC | {"codebooks": 4, "codebook_size": 1024}
    )
    system = masksr(checkpoint=checkpoint)
    rng = np.random.default_rng(2)
    clips = [Audio(rng.normal(scale=0.1, size=n).astype(np.float32), 16_000) for n in (16_000, 40_000, 5, 23_456)]
    together = system.restore(clips, [5, 6, 7, 8])
    for clip, seed, restored in zip(clips, [5, 6, 7, 8], together, strict=True):
        [alone] = system.restore([clip], [seed])
        assert np.array_equal(alone.samples, restored.samples)
        assert len(restored.samples) == len(clip.samples)
    [other] = system.restore(clips[:1], [99])
    assert not np.array_equal(other.samples, together[0].samples)


def test_lowest_spans_take_whole_spans_in_order() -> None:
    scores = torch.tensor([[[5.0, 0.0, 1.0, 1.0, 9.0]]])  # the spans of 2 have the maxima 5, 1 and 9
    no_noise = torch.zeros(1, 1, 3)
    assert lowest_spans(scores, no_noise, 1, 2).sum() == 0  # the lowest span has two codes, more than one
    assert lowest_spans(scores, no_noise, 2, 2)[0, 0].tolist() == [False, False, True, True, False]
    assert lowest_spans(scores, no_noise, 4, 2)[0, 0].tolist() == [True, True, True, True, False]
    assert lowest_spans(scores, no_noise, 5, 2).all()
    assert lowest_spans(scores, torch.tensor([[[-9.0, 0.0, 0.0]]]), 2, 2)[0, 0].tolist() == [True, True] + [False] * 3


def test_infinite_scores_are_never_masked_again() -> None:
    scores = torch.full((1, 2, 6), math.inf)
    scores[0, 1, :3] = torch.tensor([0.1, 0.2, 0.3])
    assert lowest_spans(scores, torch.randn(1, 2, 6), 2, 1).nonzero()[:, 1:].tolist() in (
        [[1, 0], [1, 1]], [[1, 0], [1, 2]], [[1, 1], [1, 2]],
    )  # fmt: skip


def test_sampling_follows_the_distribution(model: MaskSr) -> None:
    from restorebench.systems.masksr.sampling import sample_codes

    logits = torch.tensor([0.0, 1.0, 2.0, -50.0]).repeat(40_000, 1)
    codes, scores = sample_codes(logits, torch.rand(40_000), SamplingConfig())
    share = torch.bincount(codes, minlength=4) / 40_000
    assert torch.allclose(share, logits[0].softmax(0), atol=0.01)
    assert torch.allclose(scores, logits[0].log_softmax(0)[codes], atol=1e-5)


def test_windows_of_a_batch_do_not_mix(model: MaskSr) -> None:
    """Other windows change a window's codes only by rounding: matrix kernels may round differently in another batch."""
    together = sample(model.generator, features(3), rngs(1, 2, 3), SamplingConfig())
    for index in range(3):
        alone = sample(model.generator, features(3)[index : index + 1], rngs(index + 1), SamplingConfig())
        assert (alone[0] == together[index]).float().mean() > 0.98


@pytest.mark.parametrize(("joined", "pieces"), [(1, [(2, 4), (1, 4), (3, 4)]), (2, [(1, 8), (1, 4), (1, 8), (1, 4)])])
def test_a_short_group_is_filled_up_and_windows_are_joined(joined: int, pieces: list[tuple[int, int]]) -> None:
    """Windows are sampled in groups of one size; a clip's windows are decoded separately, or two at a time as one."""
    from restorebench.systems.windows import restore_windows

    group_sizes, decoded = [], []

    def sample(windows: object) -> torch.Tensor:
        group_sizes.append(len(windows))  # type: ignore[arg-type]
        return torch.stack([torch.from_numpy(window.samples)[None] for window in windows])  # type: ignore[attr-defined]

    def decode(codes: torch.Tensor) -> torch.Tensor:
        decoded.append((codes.shape[0], codes.shape[2]))
        return 2 * codes[:, 0]

    clips = [Audio(np.arange(n, dtype=np.float32), 16_000) for n in (7, 3, 10)]
    results = restore_windows(clips, 4, 4, sample, decode, joined)
    assert group_sizes == [4, 4]
    assert decoded == pieces
    for clip, restored in zip(clips, results, strict=True):
        assert np.array_equal(restored.samples, 2 * clip.samples)
