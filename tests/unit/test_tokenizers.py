"""Tokenizers: lengths, round trips, the upkeep of codebooks, and weights files that must be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("dac", reason="needs the extra `dac`")

from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.systems.masksr.config import ModelConfig  # noqa: E402
from restorebench.systems.masksr.generator import CodeEmbedding  # noqa: E402
from restorebench.systems.tokenizers import dac as dac_module  # noqa: E402
from restorebench.systems.tokenizers.config import FrameCodecConfig  # noqa: E402
from restorebench.systems.tokenizers.dac import DacTokenizer, load  # noqa: E402
from restorebench.systems.tokenizers.frame_codec import FrameCodec  # noqa: E402
from restorebench.systems.tokenizers.quantizer import ResidualQuantizer, kmeans, perplexity  # noqa: E402
from restorebench.systems.tokenizers.spectrum import overlap_add, spectrum  # noqa: E402
from restorebench.systems.tokenizers.tokenizer import frames_of  # noqa: E402

SMALL = {"encoder_dim": 4, "decoder_dim": 32, "n_codebooks": 3, "codebook_size": 16, "codebook_dim": 8}


def small_dac(encoder: list[int], decoder: list[int], rate: int = 44_100) -> DacTokenizer:
    torch.manual_seed(0)
    return DacTokenizer(**SMALL, encoder_rates=encoder, decoder_rates=decoder, sample_rate=rate).eval()


def test_345_frames_of_dac_are_176640_samples() -> None:
    tokenizer = small_dac([2, 4, 8, 8], [8, 8, 4, 2])
    codes = tokenizer.encode(torch.randn(1, 176_400))
    assert codes.shape == (1, 3, 345)
    assert tokenizer.decode(codes).shape == (1, 176_640)


@pytest.mark.parametrize(
    ("rates", "deficit"),
    [([8, 8, 4, 2], 0), ([8, 5, 4, 2], 8), ([5, 4, 2, 2], 16), ([5, 5, 4, 2], 48), ([5, 4, 5, 2], 42)],
)
@pytest.mark.parametrize("frames", [3, 11])
def test_samples_lost_by_odd_strides_are_padded(rates: list[int], deficit: int, frames: int) -> None:
    tokenizer = small_dac(rates[::-1], rates)
    codes = torch.randint(0, 16, (2, 3, frames))
    short = tokenizer.codec.decode(tokenizer.codec.quantizer.from_codes(codes)[0]).shape[-1]
    assert frames * tokenizer.hop - short == deficit
    assert tokenizer.decode(codes).shape == (2, frames * tokenizer.hop)


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 5000, 16_000])
def test_frame_codec_lengths_follow_from_the_hop(samples: int) -> None:
    codec = FrameCodec(FrameCodecConfig(width=16, codebooks=2, codebook_size=8)).eval()
    with torch.no_grad():
        codes = codec.encode(torch.randn(2, samples))
        assert codes.shape == (2, 2, frames_of(samples, 320))
        assert codec.decode(codes).shape == (2, frames_of(samples, 320) * 320)
        output, quantised = codec(torch.randn(2, samples))
    assert output.shape == (2, samples)
    assert torch.isfinite(output).all()
    assert quantised.codes.shape == codes.shape


def test_decoding_the_codes_gives_the_output_of_the_forward_pass() -> None:
    codec = FrameCodec(FrameCodecConfig(width=16, codebooks=3, codebook_size=32)).eval()
    audio = torch.randn(1, 3200)
    with torch.no_grad():
        output, quantised = codec(audio)
        assert torch.allclose(codec.decode(quantised.codes), output, atol=1e-5)
        assert torch.equal(codec.encode(audio), quantised.codes)


@pytest.mark.parametrize(("window", "hop"), [(1280, 320), (2048, 512), (3528, 882)])
def test_spectrum_and_overlap_add_are_inverse(window: int, hop: int) -> None:
    audio = torch.randn(2, 7 * hop)
    back = overlap_add(spectrum(audio, window, hop), window, hop)
    assert torch.allclose(back, audio, atol=1e-4)


def test_a_spectral_frame_is_centred_on_its_codec_frame() -> None:
    """A click in the middle of codec frame 5 is loudest in spectral frame 5; `centred` frames are half a hop off."""
    audio = torch.zeros(1, 12 * 512)
    audio[0, 5 * 512 + 256] = 1.0
    energy = spectrum(audio, 2048, 512).abs().square().sum(1)[0]
    assert int(energy.argmax()) == 5
    assert energy[4] == pytest.approx(float(energy[6]), rel=1e-3)
    centred = spectrum(audio, 2048, 512, "centred").abs().square().sum(1)[0]
    assert centred[5] == pytest.approx(float(centred[6]), rel=1e-3)


def test_each_stage_of_the_quantiser_reduces_the_residual() -> None:
    torch.manual_seed(0)
    latents = torch.randn(4, 12, 200)
    quantizer = ResidualQuantizer(12, 4, 64, 12)
    for stage in quantizer:  # identity projections make the residuals comparable
        stage.project_in.weight.data = torch.eye(12)[..., None].clone()
        stage.project_out.weight.data = torch.eye(12)[..., None].clone()
        for layer in (stage.project_in, stage.project_out):
            layer.bias.data.zero_()
    quantizer.start_from(latents, torch.Generator().manual_seed(0))
    residual, errors = latents, []
    for stage in quantizer:
        residual = residual - stage(residual)[0].detach()
        errors.append(float(residual.square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * float(latents.square().mean())


def test_dead_codes_are_revived_onto_latents() -> None:
    quantizer = ResidualQuantizer(8, 1, 16, 4)
    quantizer.track(torch.zeros(1, 1, 100, dtype=torch.long))
    for _ in range(600):
        quantizer.track(torch.zeros(1, 1, 100, dtype=torch.long))
    latents = torch.randn(1, 4, 50)
    moved = quantizer.revive([latents], torch.Generator().manual_seed(0))
    assert moved == 15
    [stage] = quantizer
    points = latents[0].T
    assert all((points == vector).all(1).any() for vector in stage.vectors[1:])
    assert quantizer.revive([latents], torch.Generator().manual_seed(0)) == 0


def test_kmeans_finds_separate_clusters() -> None:
    centres = torch.tensor([[10.0, 0.0], [0.0, 10.0], [-10.0, 0.0]])
    points = centres.repeat(50, 1) + 0.1 * torch.randn(150, 2)
    estimated_centres = kmeans(points, 3, torch.Generator().manual_seed(1))
    assert float(torch.cdist(points, estimated_centres).min(1).values.mean()) < 1.0
    assert kmeans(points[:2], 5, torch.Generator().manual_seed(1)).shape == (5, 2)


def test_perplexity_counts_used_codes() -> None:
    codes = torch.stack([torch.arange(32) % 8, torch.zeros(32, dtype=torch.long)])[None]
    assert perplexity(codes, 16).tolist() == pytest.approx([8.0, 1.0])


def test_embeddings_start_as_the_outputs_of_the_quantiser() -> None:
    """Appendix A: the embedding of a code is the first d channels of the DAC stage's output; [MASK] is new."""
    tokenizer = small_dac([2, 2], [2, 2])
    with torch.no_grad():
        for stage in tokenizer.codec.quantizer.quantizers:
            stage.out_proj.weight_g.mul_(1.7)  # the fused weight now differs from its direction
        codes = torch.randint(0, 16, (2, 3, 9))
        wanted = tokenizer.codec.quantizer.from_codes(codes)[0].transpose(1, 2)
        for embeddings in ("factorised", "full"):
            config = ModelConfig(width=8, heads=2, embeddings=embeddings)
            embedding = CodeEmbedding(config, tokenizer.quantiser())
            assert torch.allclose(embedding(codes), wanted[..., :8], atol=1e-5)
            assert embedding(torch.full((1, 3, 4), 16)).shape == (1, 4, 8)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the format of DAC's releases: state_dict beside metadata with numpy scalars."""
    import numpy as np

    config: dict[str, Any] = {**SMALL, "encoder_rates": [2, 4], "decoder_rates": [4, 2], "sample_rate": 16_000}
    monkeypatch.setitem(dac_module.CONFIGS, "small", config)
    torch.manual_seed(1)
    path = tmp_path / "weights.pth"
    metadata = {"kwargs": {**config, "hop_length": np.int64(8)}}
    torch.save({"state_dict": DacTokenizer(**config).codec.state_dict(), "metadata": metadata}, path)
    return path


def test_published_weights_load(published: Path) -> None:
    tokenizer = load(published, "small")
    published_state = torch.load(published, weights_only=False)["state_dict"]
    assert all(torch.equal(value, published_state[key]) for key, value in tokenizer.codec.state_dict().items())
    assert not tokenizer.training
    assert not any(parameter.requires_grad for parameter in tokenizer.parameters())


def test_other_weights_are_refused_in_one_line(published: Path, tmp_path: Path) -> None:
    content = torch.load(published, weights_only=False)
    name = next(iter(content["state_dict"]))

    def refused(change: Any, message: str) -> None:
        state = dict(content["state_dict"])
        change(state)
        torch.save({**content, "state_dict": state}, tmp_path / "changed.pth")
        with pytest.raises(RequestError, match=message) as caught:
            load(tmp_path / "changed.pth", "small")
        assert "\n" not in str(caught.value)

    refused(lambda state: state.pop(name), "1 keys missing, 0 unknown")
    refused(lambda state: state.update(extra=torch.zeros(1)), "0 keys missing, 1 unknown")
    refused(lambda state: state.update({name: torch.zeros(3)}), "1 of another shape")
    (tmp_path / "cut.pth").write_bytes(published.read_bytes()[:2000])
    with pytest.raises(RequestError, match="cannot be read as DAC weights"):
        load(tmp_path / "cut.pth", "small")


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


def test_a_pickle_runs_no_code(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "metadata": Malicious()}, "bad.pth")
    with pytest.raises(RequestError, match="cannot be read as DAC weights"):
        load(Path("bad.pth"), "small")
    assert not Path("executed").exists()


def test_tensors_cached_in_inference_mode_can_be_used_in_training() -> None:
    """The window and the positions are cached; a cached inference tensor would break the next backward pass."""
    from restorebench.systems.masksr.transformer import positions
    from restorebench.systems.tokenizers.spectrum import hann

    with torch.inference_mode():
        cached = (hann(777, torch.device("cpu")), positions(77, 6, torch.device("cpu")))
    for tensor in cached:
        assert not tensor.is_inference()
