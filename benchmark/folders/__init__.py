"""Commands that work on plain folders of audio, without a store: score, restore, degrade; and import of scores."""
