"""SISE: the schedules and shapes of its paper (§2, §3), and properties that sampling must preserve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.systems.sise.backbone import Backbone  # noqa: E402
from restorebench.systems.sise.codec import FactorisedCodec  # noqa: E402
from restorebench.systems.sise.config import CodecConfig, DiffusionConfig, SamplingConfig  # noqa: E402
from restorebench.systems.sise.diffusion import Sise, holed, mask_share  # noqa: E402
from restorebench.systems.sise.diffusion_task import layer_mask  # noqa: E402
from restorebench.systems.sise.load import load_codec  # noqa: E402
from restorebench.systems.sise.sampling import draw, masked_counts, reverse_step, sample, sample_layers  # noqa: E402
from tests.tiny import SISE, SISE_CODEC, SISE_CODEC_RUN, random_sise, run_config, trained  # noqa: E402

STRIDES = [((2, 4, 5, 5), (5, 5, 4, 2)), ((2, 2, 4, 5), (5, 4, 2, 2)), ((2, 4, 5, 8), (8, 5, 4, 2)),
           ((2, 4, 8, 8), (8, 8, 4, 2)), ((2, 5, 4, 5), (5, 4, 5, 2))]  # fmt: skip


def small(**changes: object) -> FactorisedCodec:
    torch.manual_seed(0)
    return FactorisedCodec(CodecConfig(**{**SISE_CODEC, **changes})).eval()  # type: ignore[arg-type]


def diffusion(semantic: bool = True) -> Sise:
    torch.manual_seed(1)
    config = DiffusionConfig(width=32, heads=2, blocks=2, feed_forward=48, encoder_dim=4)
    return Sise(config, CodecConfig(**SISE_CODEC, semantic=semantic)).eval()  # type: ignore[arg-type]


def test_masked_counts_and_shares_follow_the_sine_schedule() -> None:
    assert masked_counts(320, 15) == [318, 313, 304, 292, 277, 258, 237, 214, 188, 160, 130, 98, 66, 33, 0]
    assert masked_counts(320, 10) == [316, 304, 285, 258, 226, 188, 145, 98, 50, 0]
    assert masked_counts(320, 1) == [0]
    assert mask_share(torch.tensor([0.0, 1 / 3, 1.0])).tolist() == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize(("encoder", "decoder"), STRIDES)
def test_output_length_is_input_length(encoder: tuple[int, ...], decoder: tuple[int, ...]) -> None:
    codec = small(encoder_rates=encoder, decoder_rates=decoder)
    lengths = np.random.default_rng(0).integers(1, 6000, size=200)
    with torch.inference_mode():
        for length in lengths:
            output, factorised = codec(torch.randn(1, int(length)))
            assert output.shape == (1, length)
            assert codec.decode(factorised.codes).shape[1] == -(-int(length) // codec.hop) * codec.hop


def test_the_default_hop_gives_80_frames_per_second() -> None:
    config = CodecConfig()
    assert config.hop == 200
    assert (4 * 16_000 // config.hop, 10 * 16_000 // config.hop) == (320, 800)
    assert config.layers == 6
    assert CodecConfig(semantic=False).layers == 6  # the same bit rate


def test_decoding_the_codes_gives_the_output_of_the_forward_pass() -> None:
    for semantic in (True, False):
        codec, audio = small(semantic=semantic), torch.randn(1, 4000)
        with torch.inference_mode():
            output, factorised = codec(audio)
            assert factorised.codes.shape == (1, 3, 20)
            assert torch.allclose(codec.decode(factorised.codes), output, atol=1e-5)
            assert torch.equal(codec.encode(audio), factorised.codes)


def test_the_acoustic_quantiser_gets_the_residual_of_the_semantic_one() -> None:
    """Decision D24 with its stop-gradient: acoustic losses have no gradient in the semantic codebook."""
    codec = small()
    latents = torch.randn(2, codec.config.width, 9)
    factorised = codec.quantise(latents)
    assert factorised.semantic is not None
    acoustic = codec.acoustic(latents - factorised.semantic.output)
    assert torch.equal(factorised.acoustic.codes, acoustic.codes)
    factorised.acoustic.commitment_loss.backward()
    assert codec.semantic is not None
    assert all(parameter.grad is None for parameter in codec.semantic.parameters())


def test_quantiser_dropout_keeps_the_first_stages() -> None:
    codec = small()
    latents = torch.randn(2, codec.config.width, 5)
    full = codec.acoustic(latents)
    first = codec.acoustic(latents, torch.tensor([1, 2]))
    assert torch.equal(full.codes, first.codes)
    assert torch.allclose(full.output[1], first.output[1])
    first_stage_codes = torch.stack([full.codes[0, 0], torch.zeros_like(full.codes[0, 0])])[None]
    stage = next(iter(codec.acoustic))
    assert torch.allclose(first.output[:1], stage.project_out(stage.lookup(first_stage_codes[:, 0])), atol=1e-5)


@pytest.mark.parametrize(("feed_forward", "millions"), [(4096, 134), (2816, 103)])
def test_backbones_have_the_expected_number_of_parameters(feed_forward: int, millions: int) -> None:
    with torch.device("meta"):
        network = Backbone(1024, 8, 8, feed_forward)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.6)


def test_attention_sees_both_sides_and_positions_are_relative() -> None:
    torch.manual_seed(0)
    network = Backbone(16, 2, 2, 24).eval()
    x = torch.randn(1, 12, 16)
    changed = x.clone()
    changed[0, -1] += 1
    with torch.inference_mode():
        assert not torch.allclose(network(x)[0, 0], network(changed)[0, 0])
        # Queries and keys are equal at all positions, so relative rotations make a score depend on the distance only.
        from restorebench.systems.sise.backbone import rotated, rotations

        cosine, sine = rotations(12, 8, torch.device("cpu"))
        q, k = torch.randn(1, 1, 1, 8).expand(1, 1, 12, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 12, 8)
        scores = rotated(q, cosine, sine) @ rotated(k, cosine, sine).transpose(2, 3)
        for offset in range(12):
            diagonal = torch.diagonal(scores[0, 0], offset)
            assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4)


def test_holed_masks_the_drawn_layer_and_hides_later_layers() -> None:
    codes = torch.arange(12).view(1, 3, 4).repeat(2, 1, 1)
    masked = torch.tensor([[True, False, False, True]] * 2)
    with_masks = holed(codes, torch.tensor([1, 0]), masked, 99)
    assert with_masks[0].tolist() == [[0, 1, 2, 3], [99, 5, 6, 99], [99] * 4]
    assert with_masks[1].tolist() == [[99, 1, 2, 99], [99] * 4, [99] * 4]


def test_training_masks_have_the_mean_share_of_the_sine_schedule() -> None:
    shares = [layer_mask(np.random.default_rng(i), 320).mean() for i in range(2000)]
    assert min(shares) > 0
    assert np.mean(shares) == pytest.approx(2 / np.pi, abs=0.02)  # the mean of sin(pi t / 2)


@pytest.mark.parametrize("semantic", [True, False])
def test_fixed_tokens_stay_and_none_is_left_masked(semantic: bool) -> None:
    model = diffusion(semantic)
    config = SamplingConfig(semantic_steps=5, acoustic_steps=(4, 1), top_k=6)
    rngs = [np.random.default_rng(seed) for seed in (1, 2)]
    with torch.inference_mode():
        condition = model.encode(torch.randn(2, 3000))
        tokens = torch.full((2, condition.shape[1]), model.first.mask_code)
        for step, masked_count in enumerate(masked_counts(condition.shape[1], 5)):
            grid = torch.full((2, model.first.layers, condition.shape[1]), model.first.mask_code)
            grid[:, 0] = tokens
            logits = model.first(grid, torch.zeros(2, dtype=torch.long), condition)
            draws = draw(rngs, condition.shape[1], 16, config, tokens.device)
            after = reverse_step(logits, tokens, draws, step, 5, masked_count, config, model.first.mask_code)
            known = tokens != model.first.mask_code
            assert torch.equal(after[known], tokens[known])
            assert ((after == model.first.mask_code).sum(1) == masked_count).all()
            tokens = after
        codes = sample(model, torch.randn(2, 3000), [np.random.default_rng(s) for s in (1, 2)], config)
    assert codes.shape == (2, 3, 15)
    assert ((codes >= 0) & (codes < 16)).all()


def test_the_semantic_stage_never_sees_acoustic_tokens() -> None:
    """Its logits in training do not depend on acoustic tokens, and in sampling it has one layer only."""
    model = diffusion()
    codes = torch.randint(0, 16, (2, 3, 15))
    masked, layer, audio = torch.rand(2, 2, 15) < 0.5, torch.tensor([0, 1]), torch.randn(2, 3000)
    changed_codes = codes.clone()
    changed_codes[:, 1:] = (changed_codes[:, 1:] + 1) % 16
    with torch.inference_mode():
        semantic, acoustic = model(audio, codes, masked, layer)
        semantic_again, changed_acoustic = model(audio, changed_codes, masked, layer)
    assert torch.equal(semantic, semantic_again)
    assert not torch.equal(acoustic, changed_acoustic)
    assert model.first.layers == 1


def test_greedy_layers_take_the_best_token() -> None:
    model, config = diffusion(), SamplingConfig(top_k=6)
    with torch.inference_mode():
        condition = torch.randn(1, 9, 64)
        codes = sample_layers(model.first, condition, (1,), [np.random.default_rng(0)], config)
        masked = torch.full((1, 1, 9), 16)
        best = model.first(masked, torch.zeros(1, dtype=torch.long), condition).argmax(-1)
    assert torch.equal(codes[:, 0], best)


def test_steps_must_fit_the_layers() -> None:
    assert SamplingConfig().steps(6) == (15, 10, 1, 1, 1, 1)
    with pytest.raises(RequestError, match="steps for 6 token layers, the codec has 3"):
        SamplingConfig().steps(3)
    with pytest.raises(ValueError, match="they must agree"):
        CodecConfig(encoder_rates=(2, 2), decoder_rates=(2, 4))


@pytest.mark.parametrize("adversarial", [4.0, 0.0])
def test_the_codec_trains_and_resumes_exactly(adversarial: float, tmp_path: Path) -> None:
    """Includes generator, discriminators, probes and labels; the resumed run equals the whole run bit for bit."""
    from tests.unit.test_training import logged, same, states

    settings = {"training": {"steps": 4, "validate_every": 2, "ema": 0.9}, "losses": {"adversarial": adversarial}}
    whole = run_config(SISE_CODEC_RUN, **settings)
    half = run_config(SISE_CODEC_RUN, **{**settings, "training": {**settings["training"], "steps": 2}})
    trained(tmp_path / "whole", whole)
    trained(tmp_path / "halves", half)
    trained(tmp_path / "halves", whole, resume=True)
    assert same(states(tmp_path / "whole")["task"], states(tmp_path / "halves")["task"])
    assert logged(tmp_path / "whole") == logged(tmp_path / "halves")
    names = {row["name"] for row in logged(tmp_path / "whole")}
    assert {"mel", "phones", "phone_accuracy/semantic", "phone_accuracy/acoustic", "speaker_accuracy/semantic"} <= names
    assert ("discriminator" in names) == bool(adversarial)
    at_first = {row["name"] for row in logged(tmp_path / "whole") if row["step"] == "0"}
    assert at_first == {"mel"}, "codes must not be evaluated before the quantisers have started"
    label_lines = (tmp_path / "whole" / "labels-train.csv").read_text().splitlines()
    assert label_lines[0] == "utterance,why_not"
    assert len(label_lines) == 4


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_the_codec_resumes_exactly_around_the_start_of_its_quantisers(stop: int, tmp_path: Path) -> None:
    from tests.unit.test_training import logged, same, states

    training = {"steps": 4, "validate_every": 4, "ema": 0.9}
    losses = {"adversarial": 0.0, "quantise_after": 2}
    whole = run_config(SISE_CODEC_RUN, training=training, losses=losses)
    first = run_config(SISE_CODEC_RUN, training={**training, "steps": stop}, losses=losses)
    trained(tmp_path / "whole", whole)
    checkpoint_file = trained(tmp_path / "parts", first)
    if stop <= 2:
        with pytest.raises(RequestError, match="stopped before its quantisers started; train it longer"):
            load_codec(checkpoint_file)
    trained(tmp_path / "parts", whole, resume=True)
    assert same(states(tmp_path / "whole")["task"], states(tmp_path / "parts")["task"])
    last_rows = [row for row in logged(tmp_path / "whole") if row["step"] == "4"]
    assert last_rows == [row for row in logged(tmp_path / "parts") if row["step"] == "4"]
    load_codec(checkpoint_file)


def test_the_diffusion_trains_on_a_trained_codec(tmp_path: Path) -> None:
    codec = trained(tmp_path / "codec", run_config(SISE_CODEC_RUN, losses={"adversarial": 0.0}))
    base = {**SISE, "tokenizer": {"checkpoint": str(codec)}}
    checkpoint_file = trained(tmp_path / "sise", run_config(base))
    from restorebench.systems.sise.load import load_model

    _, codec_of_model = load_model(checkpoint_file)
    original = load_codec(codec)
    assert all(torch.equal(value, original.state_dict()[key]) for key, value in codec_of_model.state_dict().items())


def test_a_checkpoint_of_another_variant_or_kind_is_refused(tmp_path: Path) -> None:
    from restorebench.systems.masksr.rows import masksr
    from restorebench.systems.sise.rows import sise, sise_nano, sise_wo_dis

    path = random_sise(tmp_path / "sise.safetensors")
    with pytest.raises(RequestError, match="with a semantic layer; sise-wo-dis is the other variant"):
        sise_wo_dis(checkpoint=path)
    with pytest.raises(RequestError, match="another variant than sise-nano"):
        sise_nano(checkpoint=path)
    with pytest.raises(RequestError, match="no public weights; train it"):
        sise()
    with pytest.raises(RequestError, match="kind 'sise', wanted 'masksr'"):
        masksr(checkpoint=path)
