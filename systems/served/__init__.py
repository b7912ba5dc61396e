"""Systems that run elsewhere: behind a server on this machine."""
