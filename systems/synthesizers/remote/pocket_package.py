"""pocket-tts in its own environment (pocket-tts 4.0.1): Kyutai's English model of 100 M parameters, from local files.

Without access to the gated weights, the package's own loader falls back to weights that cannot clone; here the model is
loaded from the given file only. Speech that does not end within the package's limit is an error, not a result. The
package's decoder decodes all frames that are waiting in one call, and their number varies from run to run, as do the
last digits of the samples; here it decodes one frame per call, so that equal seeds give equal samples.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SEEDS = 2**63


class Remote:
    def __init__(self, model: str, tokenizer: str, config: str = "english") -> None:
        """model: an official `.safetensors` file; tokenizer: its `tokenizer.json`; config: the package's name."""
        self.files, self.config = (model, tokenizer), config
        self.voice: Any = None

    def say(
        self, prompts: list[Array], prompt_texts: list[str], texts: list[str], languages: list[str], seeds: list[int]
    ) -> tuple[None, list[Array]]:
        """Speech [time] at 24 kHz of each text in the voice of its prompt [time] at 24 kHz."""
        import torch

        self._load()
        spoken = []
        for prompt, text, seed in zip(prompts, texts, seeds, strict=True):
            torch.manual_seed(seed % SEEDS)
            state = self.voice.get_state_for_audio_prompt(torch.from_numpy(prompt.copy())[None])
            spoken.append(self.voice.generate_audio(state, text).numpy().reshape(-1).astype(np.float32))
        return None, spoken

    def trace(self, prompts: list[Array], **request: Any) -> tuple[dict[str, int], list[Array]]:
        """Says one request. Returns the audio encoder's input, its rate and the number of generations."""
        self._load()
        encoder_inputs: list[Array] = []
        runs = [0]
        encode, generate = self.voice._encode_audio, self.voice._autoregressive_generation

        def encoded(audio: Any) -> Any:
            encoder_inputs.append(audio.detach().cpu().numpy().reshape(-1).astype(np.float32))
            return encode(audio)

        def generated(*args: Any, **kwargs: Any) -> Any:
            runs[0] += 1
            return generate(*args, **kwargs)

        self.voice._encode_audio, self.voice._autoregressive_generation = encoded, generated
        try:
            self.say(prompts, **request)
        finally:
            self.voice._encode_audio, self.voice._autoregressive_generation = encode, generate
        [prompt] = encoder_inputs
        return {"runs": runs[0], "rate": int(self.voice.sample_rate)}, [prompt]

    def _load(self) -> None:
        if self.voice is None:
            self.voice = load(self.config, *self.files)


def load(config: str, model: str, tokenizer: str) -> Any:
    """The package's model with these weights. Raises ValueError for weights that cannot clone a voice."""
    os.environ["KPOCKET_TTS_ERROR_WITHOUT_EOS"] = "1"
    import yaml
    from pocket_tts import TTSModel
    from pocket_tts.utils.config import CONFIGS_DIR

    settings = yaml.safe_load((CONFIGS_DIR / f"{config}.yaml").read_text(encoding="utf-8"))
    settings |= {"weights_path": model, "weights_path_without_voice_cloning": None}
    settings["flow_lm"]["lookup_table"]["tokenizer_path"] = tokenizer
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "local.yaml"
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        loaded = TTSModel.load_model(config=path)
    if not loaded.has_voice_cloning:
        raise ValueError(f"{model}: weights without voice cloning; wanted weights of huggingface.co/kyutai/pocket-tts")
    loaded.max_decoder_frames_per_call = 1
    return loaded
