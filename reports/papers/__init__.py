"""The published cells of the papers, as data: one TOML file per paper."""
