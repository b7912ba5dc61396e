"""Statistics of scores: paired differences, confidence intervals, significance tests, and the cells of a board."""
