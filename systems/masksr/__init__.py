"""MaskSR and MaskSR2: a speech encoder conditions masked acoustic modelling over codec tokens."""
