"""Audio tokenizers: sound to codes [batch, codebook, frame] and back."""
