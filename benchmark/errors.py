"""Errors that a user can act on: one line saying what was seen, what was wanted and what to do."""

from __future__ import annotations


class RequestError(Exception):
    """The request cannot be carried out. The command line prints the message alone and exits with 2."""


class AudioError(Exception):
    """A sound cannot be used. The message says what was seen, what was wanted and what to do."""


class AwayError(AudioError):
    """A file, worker or server cannot be reached now; a later run may succeed."""


MAY_PASS = "may pass: "
"""Marks the reason of a failure that the machine caused and not the clip; the next run tries such a clip again."""


def reason(error: Exception) -> str:
    """An error as one line for a record: the message alone for this module's errors, else class name and message.

    Errors that the machine may have caused (files, memory, AwayError) begin with MAY_PASS.
    """
    text = " ".join(str(error).split())
    # torch raises its own OutOfMemoryError, which is not a subclass of MemoryError, when GPU memory is full
    if isinstance(error, AwayError | MemoryError | OSError) or type(error).__name__ == "OutOfMemoryError":
        own = text if isinstance(error, AwayError) else f"{type(error).__name__}: {text}"
        return f"{MAY_PASS}{own.removesuffix(': ')}"
    if isinstance(error, AudioError | RequestError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
