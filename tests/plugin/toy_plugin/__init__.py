"""A package that a test really installs: it adds systems, metrics and a suite through entry points."""
