"""Numbers: paired scores, resampling, intervals, tests, boards."""
