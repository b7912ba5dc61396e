"""Synthesizers by registry name: text-to-speech for the downstream test. A new one is one file and one line here."""

BUILTIN = {
    "hibari": "hibari:Hibari",
    "pocket-tts": "pocket_tts:PocketTts",
    "qwen3-tts": "qwen3_tts:Qwen3Tts",
    "sise-tts": "sise_tts:sise_tts",
}
