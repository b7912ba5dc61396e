"""Listening tests: a web application on this machine, its ratings, and their analysis (`restorebench listen`)."""
