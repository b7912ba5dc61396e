"""Renderers of boards and lists by registry name, and the papers' published cells as data."""

BUILTIN = {
    "csv": "render:csv",
    "html": "render:html",
    "json": "render:as_json",
    "latex": "render:latex",
    "md": "render:markdown",
    "against": "verdicts:against",
    "against-long": "verdicts:against_long",
    "compare": "compare:report",
    "notebook": "notebook:notebook",
    "published": "published:cells",
    "ledger": "ledger:ledger",
    "long": "board:long",
    "report": "site:report",
    "results": "board:results",
    "terminal": "render:terminal",
}
