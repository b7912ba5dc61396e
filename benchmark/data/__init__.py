"""Data from outside the project: locations, downloads, weights, corpora, suites."""
