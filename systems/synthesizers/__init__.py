"""Synthesizers by registry name: text-to-speech for the downstream test. A new one is one file and one line here."""

BUILTIN = {
    "hibari": "isolated:hibari",
    "pocket-tts": "isolated:pocket_tts",
    "published": "published:Published",
    "qwen3-tts": "isolated:qwen3_tts",
    "sise-tts": "sise_tts:sise_tts",
}
