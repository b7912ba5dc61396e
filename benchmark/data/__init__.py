"""What comes from outside: locations, downloads, weights, corpora, suites."""
