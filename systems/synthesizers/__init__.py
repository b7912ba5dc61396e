"""Text-to-speech systems for the downstream test, by registry name. To add one, add a file, and a line here."""

BUILTIN = {
    "hibari": "isolated:hibari",
    "pocket-tts": "isolated:pocket_tts",
    "published": "published:Published",
    "qwen3-tts": "isolated:qwen3_tts",
    "sise-tts": "sise_tts:sise_tts",
}
