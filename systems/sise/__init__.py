"""SISE: a codec factorised into semantic and acoustic tokens, and masked diffusion over them."""
