"""The benchmark: plan, run, store, analysis, and the interfaces in Python and on the command line.

Systems, metrics and corruptions are found by their registry names. Only `api` and `cli` import other packages.
"""
