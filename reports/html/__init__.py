"""The report: one folder that opens offline."""
