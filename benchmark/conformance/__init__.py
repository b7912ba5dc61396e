"""Checks whether a system keeps the contract of a restorer; each check tests one property and has a name."""
