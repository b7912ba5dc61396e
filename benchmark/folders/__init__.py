"""Verbs on plain folders of audio: score, restore, degrade, import."""
