"""Reads, writes and resamples audio, and converts seconds to numbers of samples.

Rendered test sets are rounded to 24 bits, so that a FLAC file holds exactly the rendered samples and a rounding
difference between two machines' arithmetic does not change the hash. Outputs of systems are kept as 32-bit float.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from restorebench.benchmark.core.atomic import write_atomic
from restorebench.benchmark.core.complete import missing_bytes
from restorebench.benchmark.errors import AudioError, AwayError
from restorebench.benchmark.types import Audio, FloatArray, Pair

GRID = 2.0**23
RESAMPLER = "soxr-hq"
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
"""Accepted sampling rates of files in Hz. Other rates come from wrong headers and could exhaust the memory."""
LENGTH_TOLERANCE_S = 0.025
"""Finished audio may be this much longer or shorter than its reference (codec frames, STFT tails); it is then cropped
or padded to the reference's length."""


def samples_for(seconds: float, rate: int) -> int:
    """The nearest whole number of samples; the one rounding rule of the project."""
    return round(seconds * rate)


def read(path: Path, channel: int | None = None) -> Audio:
    """Decodes a mono file, or one channel of a file with several channels.

    Raises AudioError for a file that is missing, not audio, truncated or empty; that has an unusual rate, samples that
    are not finite, or several channels if `channel` is None; or that does not have the channel.
    """
    try:
        if not path.exists():
            raise AwayError(f"{path.name}: there is no such file; wanted a WAV, FLAC or OGG file")
        if not path.is_file():  # opening a pipe would block until another process writes to it
            raise AudioError(f"{path.name}: is not a regular file; wanted a WAV, FLAC or OGG file")
        if missing := missing_bytes(path):
            raise AudioError(f"{path.name}: is cut: {missing} or more bytes of its data are missing; copy it again")
        samples, rate = soundfile.read(os.fsencode(path), dtype="float32", always_2d=True)
    except OSError as error:
        raise AwayError(f"{path.name}: cannot be reached ({error.strerror or error})") from error
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        if isinstance(error, ValueError) and path.suffix.lower() == ".flac":
            raise AudioError(
                f"{path.name}: is a stream whose header does not say its length; encode it again with flac or ffmpeg"
            ) from error
        reason = str(error).split(": ")[-1].rstrip(".") or type(error).__name__
        raise AudioError(f"{path.name}: cannot be read as audio ({reason}); wanted a WAV, FLAC or OGG file") from error
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{path.name}: has a rate of {rate} Hz; wanted {LOWEST_RATE} to {HIGHEST_RATE} Hz")
    if samples.shape[0] == 0:
        raise AudioError(f"{path.name}: holds no samples; wanted at least one")
    if samples.shape[1] <= (channel or 0):
        raise AudioError(f"{path.name}: has {samples.shape[1]} channels; wanted channel {channel}")
    if samples.shape[1] != 1 and channel is None:
        raise AudioError(f"{path.name}: has {samples.shape[1]} channels; wanted mono: choose or mix one channel first")
    mono = np.ascontiguousarray(samples[:, channel or 0])
    require_finite(mono, path.name)
    return Audio(mono, rate)


def header(path: Path) -> Any:
    """The header's data from soundfile: samplerate, channels, frames, duration. Raises AudioError, AwayError.

    A pipe is refused: opening a pipe would block until another process writes to it.
    """
    try:
        if path.exists() and not path.is_file():
            raise AudioError(f"{path.name}: is not a regular file; wanted a WAV, FLAC or OGG file")
        return soundfile.info(os.fsencode(path))
    except OSError as error:
        raise AwayError(f"{path.name}: cannot be reached ({error.strerror or error})") from error
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise AudioError(f"{path.name}: cannot be read as audio; wanted a WAV, FLAC or OGG file") from error


def require_finite(samples: FloatArray, name: str) -> None:
    """Raises AudioError when a sample is NaN or infinite."""
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(f"{name}: {bad} of {len(samples)} samples are NaN or infinite; wanted finite numbers")


def write_grid(path: Path, audio: Audio) -> None:
    """Writes 24-bit FLAC, losslessly for audio on the grid (see `on_grid`)."""
    left_justified = np.round(audio.samples.astype(np.float64) * GRID).astype(np.int32) << 8
    _write(path, left_justified, audio.rate, "FLAC", "PCM_24")


def write_float(path: Path, audio: Audio) -> None:
    """Writes 32-bit float WAV, in which samples can exceed full scale."""
    _write(path, audio.samples, audio.rate, "WAV", "FLOAT")


def _write(path: Path, samples: NDArray[Any], rate: int, form: str, subtype: str) -> None:
    """Encodes in memory, then writes the bytes: libsndfile does not always report a full disk, a plain write does."""
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, rate, subtype=subtype, format=form)
    write_atomic(path, _without_clock(encoded.getvalue()))


def _without_clock(wav: bytes) -> bytes:
    """Zeroes the time stamp in the PEAK chunk of a float WAV, so that equal sounds give equal files."""
    offset = wav.find(b"PEAK", 0, 256)
    return wav if offset < 0 else wav[: offset + 12] + bytes(4) + wav[offset + 16 :]


def resample(samples: FloatArray, rate: int, to: int) -> FloatArray:
    """soxr's HQ resampler; the result has `samples_for(len / rate, to)` samples."""
    if rate == to:
        return samples
    out = soxr.resample(samples, rate, to, quality="HQ")
    return fit(np.asarray(out, dtype=np.float32), samples_for(len(samples) / rate, to))


def fit(samples: FloatArray, length: int) -> FloatArray:
    """Crops on the right, or pads with zeros, to `length` samples."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def on_grid(samples: FloatArray) -> FloatArray:
    """Rounds to multiples of 2**-23 within [-1, 1 - 2**-23]; a zero has no sign, as in a file of integers."""
    steps = np.clip(np.round(samples.astype(np.float64) * GRID), -GRID, GRID - 1)
    return (steps / GRID + 0.0).astype(np.float32)


def settle(pair: Pair) -> Pair:
    """Applies the level and length policy of rendered test sets to a pair.

    Both sounds are scaled by one common factor when either would exceed full scale, then put on the 24-bit grid.
    Raises AudioError when the corruption changed the length or the rate, or gave NaN or infinite samples.
    """
    degraded, reference = pair.degraded, pair.reference
    require_finite(degraded.samples, "degraded audio")
    if reference is not None and (len(reference.samples), reference.rate) != (len(degraded.samples), degraded.rate):
        raise AudioError(
            f"the corruption gave {len(degraded.samples)} samples at {degraded.rate} Hz for "
            f"{len(reference.samples)} at {reference.rate} Hz; a corruption must keep length and rate"
        )
    sounds = [s for s in (reference, degraded) if s is not None]
    peak = max(float(np.max(np.abs(s.samples), initial=0.0)) for s in sounds)
    gain = np.float32(1.0 if peak <= 1.0 else 0.999 / peak)
    scaled = [Audio(on_grid(s.samples * gain), s.rate) for s in sounds]
    return Pair(reference=scaled[0] if reference is not None else None, degraded=scaled[-1])


def conform(estimate: Audio, like: Audio, tolerance_s: float = 0.0) -> Audio:
    """The estimate at the rate and length of `like`. Raises AudioError when the length is off by more than allowed."""
    excess = len(estimate.samples) - samples_for(like.seconds, estimate.rate)
    if abs(excess) > tolerance_s * estimate.rate:
        raise AudioError(
            f"the sound lasts {estimate.seconds:.3f} s, its reference {like.seconds:.3f} s; "
            f"wanted the same length within {1000 * tolerance_s:g} ms: cut the sound, or pad it with zeros"
        )
    return Audio(fit(resample(estimate.samples, estimate.rate, like.rate), len(like.samples)), like.rate)
