"""Commands that work on plain folders of audio, without a store: score, restore, degrade.

Also the import of scores into a store, and the export of a store's speech to a folder.
"""
