"""Published restorers, with the weights that their authors released; the classical ones need no weights."""
