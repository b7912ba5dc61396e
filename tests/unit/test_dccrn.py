"""DCCRN: agreement with the authors' program, complex arithmetic, look-ahead, processing in chunks, training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from restorebench.benchmark import registry  # noqa: E402
from restorebench.benchmark.errors import RequestError  # noqa: E402
from restorebench.benchmark.types import Audio  # noqa: E402
from restorebench.systems.dccrn.config import DccrnConfig  # noqa: E402
from restorebench.systems.dccrn.model import ComplexLayer, Dccrn, masked, si_snr  # noqa: E402
from restorebench.systems.dccrn.task import DccrnTask  # noqa: E402
from restorebench.systems.training.loop import launch_fabric  # noqa: E402
from tests.tiny import DCCRN, run_config, trained  # noqa: E402

SMALL = {"channels": [4, 6], "units": 6, "window": 24, "hop": 6, "fft": 32}

AUTHORS = {
    (1, 0): 0.04595208540558815 + 0.09442871809005737j,
    (2, 3): -0.024417703971266747 - 0.0014937438536435366j,
    (5, 9): -1.0816477537155151 + 0.06136582791805267j,
    (9, 4): 0.008564545772969723 + 0.0042549921199679375j,
    (16, 12): -0.0002179949515266344 + 0.00032778613967821j,
    (4, 16): 0.6689874529838562 - 1.3104454278945923j,
}
"""Bins of the enhanced spectrum by github.com/huyanxin/DeepComplexCRN, dc_crn.py, with the weights of `waves` and
win_len=24, win_inc=6, fft_len=32, kernel_num=[4, 6], rnn_units=6, masking_mode="E"."""


def waves(model: Dccrn) -> Dccrn:
    """Fills the weights with sines, whose phase is the length of the parameter's name, and returns the model."""
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            values = 0.3 * torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + len(name))
            state[name] = (values + name.endswith("running_var")).reshape(tensor.shape).float()
    model.load_state_dict(state)
    return model.eval()


def random_model(**sizes: object) -> Dccrn:
    torch.manual_seed(0)
    return Dccrn(DccrnConfig.model_validate(SMALL | sizes)).eval()


@torch.inference_mode()
def test_the_authors_program_gives_the_same_spectrum() -> None:
    model = waves(Dccrn(DccrnConfig.model_validate(SMALL)))
    audio = (0.5 * torch.sin(torch.arange(96, dtype=torch.float64) * 0.9)).float()[None]
    spectrum = model.spectrum(audio)
    enhanced = masked(spectrum, model.mask(spectrum))[0]
    # The authors add 1e-8 to the squared magnitude of the degraded spectrum; it matters only for magnitudes below 1e-3.
    assert {index: complex(enhanced[index]) for index in AUTHORS} == pytest.approx(AUTHORS, rel=1e-4, abs=1e-5)


def test_the_default_is_dccrn_e_of_3_7_million_parameters() -> None:
    """The authors' class has as many with kernel_num=[16, 32, 64, 128, 256, 256] and rnn_units=256."""
    assert sum(weight.numel() for weight in Dccrn(DccrnConfig()).parameters()) == 3_742_349


@torch.inference_mode()
def test_a_complex_layer_is_a_complex_convolution() -> None:
    torch.manual_seed(0)
    real, imaginary = (torch.nn.Conv2d(3, 2, (5, 2), bias=False) for _ in range(2))
    signal = torch.randn(2, 3, 9, 4, dtype=torch.complex64)
    output = ComplexLayer(real, imaginary)(torch.cat([signal.real, signal.imag], 1))
    wanted = torch.nn.functional.conv2d(signal, torch.complex(real.weight, imaginary.weight))
    torch.testing.assert_close(torch.complex(*output.chunk(2, 1)), wanted)


@pytest.mark.parametrize("samples", [1, 50, 100, 101, 4000])
@torch.inference_mode()
def test_the_inverse_transform_gives_the_samples_back(samples: int) -> None:
    model, audio = random_model(window=400, hop=100, fft=512), torch.randn(2, samples)
    torch.testing.assert_close(model.sound(model.spectrum(audio), samples), audio, rtol=0, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 2, 5, 17, 64])
@torch.inference_mode()
def test_processing_in_chunks_equals_processing_at_once(chunk: int) -> None:
    model, audio = random_model(channels=[4, 6, 6]), torch.randn(2, 601)
    torch.testing.assert_close(model.enhance(audio, chunk), model(audio), rtol=0, atol=1e-6)


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that an operation returns."""

    elements = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


def test_memory_for_chunks_does_not_grow_with_the_clip() -> None:
    """No tensor is larger than the padded audio."""
    model = random_model(window=400, hop=100, fft=512, channels=[4, 4, 4])
    audio = torch.zeros(1, 16_000 * 40)
    with torch.inference_mode(), LargestTensor() as seen:
        model.enhance(audio, 160)
    assert audio.numel() <= seen.elements <= audio.numel() + 1000


def test_mixed_precision_trains() -> None:
    config = run_config(DCCRN, training={"precision": "bf16-mixed"}, data={"seconds": 0.5})
    task = DccrnTask(config)
    task.setup(launch_fabric(config))
    batch = {"clean": torch.randn(2, 8000), "degraded": torch.randn(2, 8000), "index": torch.arange(2)}
    assert math.isfinite(task.step([batch], 0)["si-snr"])


@torch.inference_mode()
def test_a_sample_depends_on_one_frame_ahead_per_decoder_stage() -> None:
    model, audio = random_model(), torch.randn(1, 600)
    changed = audio.clone()
    changed[0, 300:] += 1.0
    reach = len(SMALL["channels"]) * SMALL["hop"] + SMALL["window"]  # type: ignore[arg-type,operator]
    difference = (model(audio) - model(changed))[0].abs()
    assert difference[: 300 - reach].max() < 1e-7
    window: int = SMALL["window"]  # type: ignore[assignment]
    assert difference[300 - reach : 300 - window].max() > 1e-7, "further than the window alone"


def test_si_snr_is_a_ratio_of_energies_at_any_scale() -> None:
    """Noise that is orthogonal to the target and has a hundredth of its energy gives 20 dB."""
    time = torch.arange(1000) * 2 * math.pi / 1000
    target, noise = torch.sin(3 * time)[None], torch.sin(5 * time)[None]
    assert si_snr(7 * (target + 0.1 * noise), target).item() == pytest.approx(20, abs=1e-3)


def test_training_on_one_batch_improves_its_si_snr() -> None:
    torch.manual_seed(0)
    training = {"batch": 2, "rate": 3e-3, "steps": 60}
    config = run_config(DCCRN, training=training, data={"seconds": 1.0})
    task = DccrnTask(config)
    task.setup(launch_fabric(config))
    time = torch.arange(16_000) / 16_000
    clean = torch.stack([torch.sin(2 * math.pi * pitch * time) * torch.sin(9 * time) for pitch in (200, 310)])
    batch = {"clean": clean, "degraded": clean + 0.5 * torch.randn_like(clean), "index": torch.arange(2)}
    before = task.validate([batch])
    assert before["si-snr-degraded"].item() == pytest.approx(0, abs=2.5)
    for step in range(60):
        task.step([batch], step)
    assert task.validate([batch])["si-snr"] > before["si-snr-degraded"] + 8


def test_a_trained_checkpoint_restores_whole_clips(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path / "run", run_config(DCCRN))
    system = registry.create("systems", f"dccrn@{checkpoint}")
    assert system.card.parameters == sum(weight.numel() for weight in system.model.parameters())
    noise = np.random.default_rng(0).normal(0, 0.1, 7_777).astype(np.float32)
    noise.setflags(write=False)
    audio = Audio(noise[::-1], 16_000)
    [first], [second] = system.restore([audio], [0]), system.restore([audio], [1])
    assert first.samples.shape == (7_777,)
    assert np.array_equal(first.samples, second.samples)
    with pytest.raises(RequestError, match="dccrn has no options; seen: guidance"):
        registry.create("systems", f"dccrn@{checkpoint}?guidance=1")
    with pytest.raises(RequestError, match="a checkpoint of kind 'dccrn', wanted 'masksr'"):
        registry.create("systems", f"masksr@{checkpoint}")


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"channels": [3]}, "channels: wanted even numbers"),
        ({"fft": 500}, "fft: wanted a multiple of 128"),
        ({"hop": 400}, "wanted hop < window <= fft"),
        ({"units": 0}, "units: Input should be greater than or equal to 1"),
    ],
)
def test_impossible_sizes_are_refused(table: dict[str, object], fault: str) -> None:
    with pytest.raises(RequestError, match=fault):
        DccrnTask(run_config(DCCRN | {"model": table}))


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"losses": {"si_snr": 3}}, r"\[losses\] has settings, but kind = 'dccrn' reads only model; remove \[losses\]"),
        ({"training": {"ema": 0.9}}, "training.ema = 0.9; wanted 0: averaged weights do not fit"),
    ],
)
def test_settings_that_would_have_no_effect_are_refused(tables: dict[str, object], fault: str) -> None:
    with pytest.raises(RequestError, match=fault):
        DccrnTask(run_config(DCCRN, **tables))
