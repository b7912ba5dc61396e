"""Systems that run in another process on this machine and are called over HTTP."""
