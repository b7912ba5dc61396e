"""Tools that every stage uses: atomic files, seeds, keys, progress, processes, provenance."""
