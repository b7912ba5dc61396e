"""Other people's restorers, run from their released weights."""
