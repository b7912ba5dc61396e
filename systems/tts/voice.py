"""Says sentences in the voice of a prompt, whole or piece by piece (SISE §3).

The length of a sentence follows from the prompt's speaking rate. A duration model predicts the lengths of prompt and
sentence; both are scaled by the same factor, so that the prompt has its true length. Without a duration model, the
length is MaskGCT's: frames of the prompt times phones of the sentence over phones of the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorebench.benchmark.audio import resample
from restorebench.benchmark.contracts import SpeechRequest, SpeechTrace
from restorebench.benchmark.core.seeds import generator
from restorebench.benchmark.errors import AudioError
from restorebench.benchmark.types import Audio
from restorebench.systems.sise.phonemes import SILENCE
from restorebench.systems.tts.config import TtsSampling
from restorebench.systems.tts.load import load_model
from restorebench.systems.tts.sampling import say
from restorebench.systems.tts.text import phones_of_text

BREAK = [SILENCE] * 2
"""Pauses of 0.1 s before and after the sentence, where punctuation makes none."""
LONGEST_S = 60.0
"""Length of the longest accepted sentence, in seconds."""


class Voice:
    """A text-to-speech model and its codec."""

    def __init__(self, checkpoint: Path, device: str, sampling: TtsSampling | None = None) -> None:
        """sampling: settings that replace the checkpoint's. Raises RequestError."""
        self.model, self.codec, stored_sampling = load_model(checkpoint)
        self.sampling = stored_sampling if sampling is None else sampling
        self.sampling.require_layers(self.codec.config.acoustic)
        self.generated = 0
        """Number of sentences whose tokens were drawn."""
        self.device = torch.device(device)
        self.model.to(self.device)
        self.codec.to(self.device)

    def say(self, request: SpeechRequest) -> Audio:
        """The sentence at the codec's rate. Raises AudioError for an unreadable text or a sentence that is too long."""
        with torch.inference_mode():
            samples = self.codec.decode(self.codes(request)[None])[0]
        return Audio(samples.float().cpu().numpy(), self.codec.rate)

    def stream(self, request: SpeechRequest, chunk_s: float = 0.5) -> Iterator[Audio]:
        """The same sentence in chunks: all tokens are drawn first, then each chunk is yielded as soon as it is decoded.

        Joined, the chunks equal the output of `say` up to rounding.
        """
        chunk = max(1, round(chunk_s * self.codec.rate / self.codec.hop))
        codes = self.codes(request)[None]
        for samples in self.codec.decode_chunks(codes, chunk):
            yield Audio(samples[0].float().cpu().numpy(), self.codec.rate)

    def trace(self, request: SpeechRequest) -> SpeechTrace:
        """Says the request. Returns the prompt as the codec's encoder gets it, and the number of token drawings."""
        encoder_inputs: list[Tensor] = []
        generated_before = self.generated
        hook = self.codec.encoder.register_forward_pre_hook(lambda _, args: encoder_inputs.append(args[0].detach()))
        try:
            self.say(request)
        finally:
            hook.remove()
        [prompt] = encoder_inputs
        samples = prompt.reshape(-1).float().cpu().numpy()
        return SpeechTrace(Audio(samples, self.codec.rate), self.generated - generated_before)

    def codes(self, request: SpeechRequest) -> Tensor:
        """Codes [layer, frame] of the sentence."""
        phone_set = self.model.config.phone_set
        prompt_phones = phones_of_text(request.prompt_text, request.language, phone_set)
        sentence = phones_of_text(request.text, request.language, phone_set)
        samples = resample(request.prompt.samples, request.prompt.rate, self.codec.rate)
        if not len(samples):
            raise AudioError("the prompt holds no samples; wanted at least one")
        with torch.inference_mode():
            prompt = self.codec.encode(torch.from_numpy(np.ascontiguousarray(samples))[None].to(self.device))[0]
            sentence = [*(BREAK if prompt_phones[-1] != SILENCE else []), *sentence]
            sentence += BREAK if sentence[-1] != SILENCE else []
            phones = [*prompt_phones, *sentence]
            places, frames = self.timing(phones, len(prompt_phones), prompt.shape[1])
        if frames * self.codec.hop > LONGEST_S * self.codec.rate:
            raise AudioError(
                f"the sentence would take {frames * self.codec.hop / self.codec.rate:.0f} s at the prompt's rate of "
                f"speech; at most {LONGEST_S:.0f} s are said: check the prompt's text, or split the sentence"
            )
        self.generated += 1
        return say(self.model, prompt, phones, places, frames, generator("tts", request.seed), self.sampling)

    def timing(self, phones: list[int], prompt_phones: int, prompt_frames: int) -> tuple[list[float] | None, int]:
        """(middles of the phones in frames, or None without a duration model; number of frames of the sentence).

        The first `prompt_phones` phones are those of the prompt.
        """
        if self.model.durations is None:
            return None, max(1, round(prompt_frames * (len(phones) - prompt_phones) / prompt_phones))
        predicted = self.model.durations(torch.tensor([phones], device=self.device))[0].exp().tolist()
        scale = prompt_frames / sum(predicted[:prompt_phones])
        ends = np.cumsum([length * scale for length in predicted])
        middles = ends - np.multiply(predicted, scale / 2) - 0.5
        return middles.tolist(), max(1, round(float(ends[-1]) - prompt_frames))
