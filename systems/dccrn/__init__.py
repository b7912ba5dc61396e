"""DCCRN (Hu et al. 2020), a baseline of SISE's Table 1, trainable: its authors published no weights."""
