"""The HTML report: a folder of pages that a browser opens without a server or a network."""
