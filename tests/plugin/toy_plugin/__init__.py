"""A plug-in that the tests install: entry points add systems, metrics, synthesizers, a corruption and suites."""
