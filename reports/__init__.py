"""Reports on the results in a store: tables, pages, notebooks, comparisons with the papers' published cells."""
