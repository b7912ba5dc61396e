"""Decisions: a store against a committed baseline."""
