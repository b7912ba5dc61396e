"""Qwen3-TTS in its own environment (qwen-tts 0.1.1): in-context cloning with the prompt's text, from local files.

The package draws from torch's global generator, which is seeded for each sentence. Its default limit is minutes of
speech; here the limit follows from the text, and speech that reaches the limit is an error, not a result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SEEDS = 2**63
LANGUAGES = {"en": "english", "zh": "chinese"}
FRAME_RATE = 12.5
"""Codec frames per second of speech."""
LONGEST = {"en": 0.3, "zh": 0.9}
"""Allowed seconds of speech per character, by language: three to four times the time that a slow speaker needs."""
SPARE_S = 5.0
"""Additional seconds that are allowed for pauses."""


class Remote:
    def __init__(self, config: str) -> None:
        """config: `config.json` in the owner's folder of a base model; the files are loaded when they are needed."""
        self.folder = str(Path(config).parent)
        self.model: Any = None

    def say(
        self, prompts: list[Array], prompt_texts: list[str], texts: list[str], languages: list[str], seeds: list[int]
    ) -> tuple[None, list[Array]]:
        """Speech [time] at 24 kHz of each text in the voice of its prompt [time] at 24 kHz.

        Raises ValueError for speech that does not end within the limit.
        """
        import torch

        self._load()
        spoken = []
        for prompt, prompt_text, text, language, seed in zip(
            prompts, prompt_texts, texts, languages, seeds, strict=True
        ):
            frames = int(FRAME_RATE * (SPARE_S + LONGEST[language] * len(text)))
            torch.manual_seed(seed % SEEDS)
            [samples], _ = self.model.generate_voice_clone(
                text=text,
                language=LANGUAGES[language],
                ref_audio=(prompt.copy(), 24_000),
                ref_text=prompt_text,
                max_new_tokens=frames,
            )
            if len(samples) >= (frames - 1) * 24_000 / FRAME_RATE:
                raise ValueError(f"speech of {len(text)} characters did not end within {frames / FRAME_RATE:.0f} s")
            spoken.append(np.asarray(samples, np.float32).reshape(-1))
        return None, spoken

    def trace(self, prompts: list[Array], **request: Any) -> tuple[dict[str, int], list[Array]]:
        """Says one request. Returns the speech tokenizer's input, its rate and the number of generations."""
        self._load()
        encoder_inputs: list[tuple[Array, int]] = []
        runs = [0]
        tokenizer, network = self.model.model.speech_tokenizer, self.model.model
        encode, generate = tokenizer.encode, network.generate

        def encoded(audios: Any, sr: int, **kwargs: Any) -> Any:
            encoder_inputs.append((np.asarray(audios[0], np.float32).reshape(-1), int(sr)))
            return encode(audios, sr=sr, **kwargs)

        def generated(*args: Any, **kwargs: Any) -> Any:
            runs[0] += 1
            return generate(*args, **kwargs)

        tokenizer.encode, network.generate = encoded, generated
        try:
            self.say(prompts, **request)
        finally:
            tokenizer.encode, network.generate = encode, generate
        [(prompt, rate)] = encoder_inputs
        return {"runs": runs[0], "rate": rate}, [prompt]

    def _load(self) -> None:
        if self.model is None:
            import torch
            from qwen_tts import Qwen3TTSModel

            self.model = Qwen3TTSModel.from_pretrained(self.folder, dtype=torch.float32)
