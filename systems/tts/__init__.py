"""Zero-shot text-to-speech on SISE's codec: phones to semantic tokens, semantic to acoustic tokens (SISE §3)."""
