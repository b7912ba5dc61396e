"""The regression gate: compares a store with a committed baseline."""
