"""What a store says, as tables, pages, notebooks, and beside the papers' published cells."""
