"""Training batches drawn from material in memory, degraded on the device that trains.

Every random choice is a small array drawn on the CPU by a generator seeded by (seed, split, batch number), so a batch
is the same in every process and resuming is exact; convolution, filtering and mixing run as batched tensor operations.
Ranges and probabilities are those of the registered corruption. Its low-pass filters are replaced by a fixed bank of
transfer functions, which are computed once by the corruption's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restorebench.benchmark import registry
from restorebench.benchmark.audio import samples_for
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.types import Audio
from restorebench.corruptions.dns import Dns
from restorebench.corruptions.level import CLIP_LEVEL
from restorebench.corruptions.lowpass import draw_step
from restorebench.corruptions.sources import BABBLE_VOICES, Coloured
from restorebench.corruptions.voicefixer import VoiceFixer
from restorebench.systems.training.config import DataConfig
from restorebench.systems.training.data import Batch
from restorebench.systems.training.material import FULL_SCALE, HOP, NO_PHONE, NO_UNIT, RATE, Material, Split

IGNORED = -100
"""Target class that the losses ignore."""
CLEAN_GAIN_DB = (-14.0, 6.0)
"""Range of the random gain of clean crops where no corruption is configured."""
NOISE_KINDS = (0.65, 0.25, 0.1)
"""Probabilities of recorded noise, coloured noise and babble."""
COLOURED_STRETCHES, COLOURED_S = 16, 20.0
FILTERS, IMPULSE = 384, 4096
PEAK = 0.999
TINY = 1e-9


class Draws:
    """The batches of a split: batch n is determined by (seed, split, n)."""

    def __init__(
        self, material: Material, data: DataConfig, device: torch.device, seed: int, split: Split, batch: int
    ) -> None:
        """Raises RequestError when the split is empty or the corruption has no batched form."""
        self.material, self.data, self.device, self.seed, self.split, self.size = (
            material, data, device, seed, split, batch,
        )  # fmt: skip
        chosen = [index for index, recording in enumerate(material.recordings) if recording.split == split]
        if not chosen:
            raise RequestError(f"{material.folder}: no recordings in split {split!r}")
        self.indices = np.array(chosen)
        lengths = np.array([material.recordings[index].frames for index in chosen])
        self.ends = np.cumsum(lengths) / lengths.sum()
        self.frames = samples_for(data.seconds, RATE) // HOP
        self.time = self.frames * HOP
        speakers = sorted({recording.speaker for recording in material.recordings if recording.speaker})
        self.speakers = np.array(
            [speakers.index(r.speaker) if r.speaker else IGNORED for r in material.recordings], dtype=np.int64
        )
        self.speech = torch.from_numpy(np.array(material.speech)).to(device)
        self.phones = torch.from_numpy(labelled(material.phones, NO_PHONE)).to(device)
        self.units = torch.from_numpy(labelled(material.units, NO_UNIT)).to(device)
        self.degrader = Degrader(material, data, device, self.time) if data.corruption else None

    def batches(self, first: int) -> Iterator[Batch]:
        number = first
        while True:
            yield self.batch(number)
            number += 1

    def batch(self, number: int) -> Batch:
        rng = generator("draws", self.seed, self.split, number)
        recordings, starts = self.crops(rng, self.size)
        clean, frame_index, inside = self.cut(recordings, starts)
        batch: Batch = {
            "index": torch.arange(number * self.size, (number + 1) * self.size, device=self.device),
            "recording": torch.from_numpy(recordings).to(self.device),
            "start": torch.from_numpy(starts * HOP / RATE).to(self.device),
            "padding": 1 - inside.float().mean(1),
            "phones": self.phones[frame_index].masked_fill(~inside, 0),
            "units": self.units[frame_index].masked_fill(~inside, IGNORED),
            "speaker": torch.from_numpy(self.speakers[recordings]).to(self.device),
        }
        if self.degrader is None:
            gain = 10 ** (rng.uniform(*CLEAN_GAIN_DB, size=(self.size, 1)) / 20)
            clean = clean * self.tensor(gain)
            clean = clean * (PEAK / clean.abs().amax(1, keepdim=True).clamp(min=PEAK))
            return batch | {"clean": clean, "degraded": clean}
        babble_crops = self.crops(rng, self.size * BABBLE_VOICES)
        babble = self.cut(*babble_crops)[0].view(self.size, BABBLE_VOICES, self.time)
        clean, degraded = self.degrader(rng, clean, babble)
        return batch | {"clean": clean, "degraded": degraded}

    def clips(self, count: int, seconds: float) -> list[tuple[Audio, Audio]]:
        """At most `count` (clean, degraded) crops of `seconds` without padding, the same each time."""
        data = self.data.model_copy(update={"seconds": seconds})
        batch = Draws(self.material, data, torch.device("cpu"), self.seed, self.split, count).batch(0)
        return [
            (Audio(clean.numpy(), RATE), Audio(degraded.numpy(), RATE))
            for clean, degraded, padding in zip(batch["clean"], batch["degraded"], batch["padding"], strict=True)
            if padding == 0
        ]

    def crops(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(recording, first frame within it) of crops: every second of speech is as likely as any other."""
        recordings = self.indices[np.searchsorted(self.ends, rng.random(count)).clip(max=len(self.indices) - 1)]
        last_starts = np.array([max(self.material.recordings[index].frames - self.frames, 0) for index in recordings])
        return recordings, np.floor(rng.random(count) * (last_starts + 1)).astype(np.int64)

    def cut(self, recordings: NDArray[np.int64], starts: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Clean crops [batch, time]; for each of their frames [batch, frame], its index in the material and whether it
        lies within the recording. Short recordings are zero-padded on the right.
        """
        begins = torch.from_numpy(self.material.starts[recordings] + starts).to(self.device)
        ends = torch.from_numpy(self.material.starts[recordings + 1]).to(self.device)
        frames = begins[:, None] + torch.arange(self.frames, device=self.device)
        inside = frames < ends[:, None]
        frames = torch.minimum(frames, ends[:, None] - 1)
        samples = frames[:, :, None] * HOP + torch.arange(HOP, device=self.device)
        clean = self.speech[samples].float() / FULL_SCALE * inside[:, :, None]
        return clean.flatten(1), frames, inside

    def tensor(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(self.device)


def labelled(array: NDArray[Any], no_label: int) -> NDArray[np.int64]:
    """Labels as int64, with IGNORED in place of `no_label`."""
    labels = np.array(array, dtype=np.int64)
    labels[labels == no_label] = IGNORED
    return labels


class Degrader:
    """A registered corruption for whole batches: `voicefixer` in its published order, or `dns`."""

    def __init__(self, material: Material, data: DataConfig, device: torch.device, time: int) -> None:
        corruption = registry.find("corruptions", data.corruption)(**data.options)  # RIRs come from the material
        if not isinstance(corruption, VoiceFixer | Dns):
            raise RequestError(f"corruption {data.corruption!r} has no batched form; known: voicefixer, dns")
        if isinstance(corruption, VoiceFixer) and corruption.order != "published":
            raise RequestError(
                f"voicefixer with order = {corruption.order!r} has no batched form; wanted order = 'published'"
            )
        self.corruption, self.device, self.time = corruption, device, time
        rirs = material.rirs
        longest = max(len(rir) for rir in rirs)
        self.size = fast_length(time + longest)
        bank = np.zeros((len(rirs), longest), dtype=np.float32)
        for index, rir in enumerate(rirs):
            bank[index, : len(rir)] = rir
        self.rirs = torch.fft.rfft(torch.from_numpy(bank).to(device), self.size)
        self.noise = torch.from_numpy(np.array(material.noise)).to(device)
        self.coloured = torch.from_numpy(coloured_stretches()).to(device)
        if isinstance(corruption, VoiceFixer):
            self.filters = torch.from_numpy(filter_bank(corruption, self.size)).to(device)

    def __call__(self, rng: np.random.Generator, clean: Tensor, babble: Tensor) -> tuple[Tensor, Tensor]:
        """(clean, degraded) at their joint level, from clean [batch, time] and babble voices [batch, voice, time]."""
        if isinstance(self.corruption, VoiceFixer):
            return self.voicefixer(self.corruption, rng, clean, babble)
        return self.dns(self.corruption, rng, clean, babble)

    def voicefixer(
        self, corruption: VoiceFixer, rng: np.random.Generator, clean: Tensor, babble: Tensor
    ) -> tuple[Tensor, Tensor]:
        count = len(clean)
        clipped = rng.random(count) < corruption.p["clip"]
        ratio = self.column(np.where(clipped, rng.uniform(*corruption.clip_ratio, size=count), 1.0))
        low, high = clean.amin(1, keepdim=True).clamp(max=0), clean.amax(1, keepdim=True).clamp(min=0)
        degraded = torch.minimum(torch.maximum(clean, ratio * low), ratio * high)
        spectrum = torch.fft.rfft(degraded, self.size)
        spectrum = self.reverberate(rng, spectrum, corruption.p["rir"])
        response = self.filters[torch.from_numpy(rng.integers(len(self.filters), size=count)).to(self.device)]
        filtered = self.column(rng.random(count) < corruption.p["lowpass"])
        response = response * filtered + (1 - filtered)
        degraded = torch.fft.irfft(spectrum * response, self.size)[:, : self.time]
        noise = self.sources(rng, count, babble)
        if corruption.filter_noise:
            noise = torch.fft.irfft(torch.fft.rfft(noise, self.size) * response, self.size)[:, : self.time]
        snr = rng.uniform(*corruption.snr_db, size=count)
        noisy = self.column(rng.random(count) < corruption.p["noise"])
        degraded = degraded + noisy * at_snr(degraded, noise, self.column(snr))
        peak = torch.maximum(clean.abs().amax(1, keepdim=True), degraded.abs().amax(1, keepdim=True))
        gain = self.column(rng.uniform(*corruption.gain, size=count)) / peak.clamp(min=TINY)
        return clean * gain, degraded * gain

    def dns(self, corruption: Dns, rng: np.random.Generator, clean: Tensor, babble: Tensor) -> tuple[Tensor, Tensor]:
        count = len(clean)
        spectrum = self.reverberate(rng, torch.fft.rfft(clean, self.size), corruption.p_rir)
        degraded = torch.fft.irfft(spectrum, self.size)[:, : self.time]
        noise = self.sources(rng, count, babble)
        degraded = degraded + at_snr(degraded, noise, self.column(rng.uniform(*corruption.snr_db, size=count)))
        rms = degraded.square().mean(1, keepdim=True).sqrt().clamp(min=TINY)
        gain = self.column(10 ** (rng.uniform(*corruption.level_dbfs, size=count) / 20)) / rms
        gain = torch.minimum(gain, CLIP_LEVEL / degraded.abs().amax(1, keepdim=True).clamp(min=TINY))
        return clean * gain, degraded * gain

    def reverberate(self, rng: np.random.Generator, spectrum: Tensor, share: float) -> Tensor:
        chosen = self.rirs[torch.from_numpy(rng.integers(len(self.rirs), size=len(spectrum))).to(self.device)]
        wet = self.column(rng.random(len(spectrum)) < share)
        reverberant: Tensor = spectrum * (chosen * wet + (1 - wet))
        return reverberant

    def sources(self, rng: np.random.Generator, count: int, babble: Tensor) -> Tensor:
        """Noise [batch, time], recorded, coloured or babble; its level is arbitrary."""
        kind = torch.from_numpy(rng.choice(3, p=NOISE_KINDS, size=count)).to(self.device)[:, None]
        offset = torch.arange(self.time, device=self.device)
        first = torch.from_numpy((rng.random(count) * (len(self.noise) - self.time)).astype(np.int64)).to(self.device)
        recorded = self.noise[first[:, None] + offset].float() / FULL_SCALE
        length = self.coloured.shape[1]
        row = torch.from_numpy(rng.integers(len(self.coloured), size=count)).to(self.device)
        first = torch.from_numpy(rng.integers(length, size=count)).to(self.device)
        coloured = self.coloured[row[:, None], (first[:, None] + offset) % length]
        mixed = (babble / babble.square().mean(2, keepdim=True).sqrt().clamp(min=TINY)).sum(1)
        noise: Tensor = torch.where(kind == 0, recorded, torch.where(kind == 1, coloured, mixed))
        return noise

    def column(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).to(self.device)[:, None]


def at_snr(speech: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Noise scaled so that its mean power is `snr_db` below that of the speech; zeros where the noise is silent."""
    power = speech.square().mean(1, keepdim=True)
    noise_power = noise.square().mean(1, keepdim=True)
    gain = (power / noise_power.clamp(min=TINY)).sqrt() * 10 ** (-snr_db / 20)
    scaled: Tensor = noise * gain * (noise_power > TINY)
    return scaled


def fast_length(least: int) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(least, real=True))


def coloured_stretches() -> NDArray[np.float32]:
    """Noise from white to brown, [stretch, time]; each stretch repeats without a discontinuity."""
    exponents = np.linspace(0.0, 2.0, COLOURED_STRETCHES)
    length = round(COLOURED_S * RATE)
    return np.stack(
        [Coloured(exponent=e, seed=index).samples(length, RATE) for index, e in enumerate(exponents)]
    ).astype(np.float32)


def filter_bank(corruption: VoiceFixer, size: int) -> NDArray[np.complex64]:
    """Transfer functions [filter, size / 2 + 1] of low-pass filters, drawn and applied by the corruption's code."""
    impulse = np.zeros(IMPULSE)
    impulse[IMPULSE // 2] = 1.0
    bank = np.zeros((FILTERS, size // 2 + 1), dtype=np.complex64)
    for index in range(FILTERS):
        rng = generator("filter bank", index)
        step = draw_step(rng, corruption.bandwidth_hz, corruption.designs)
        response = step.apply(impulse, RATE)
        if rng.random() < corruption.p["resample"]:
            response = step.model_copy(update={"design": "polyphase"}).apply(response, RATE)
        centred = np.roll(np.pad(response, (0, size - IMPULSE)), -(IMPULSE // 2))
        bank[index] = np.fft.rfft(centred)
    return bank
