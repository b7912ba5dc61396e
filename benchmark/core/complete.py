"""Detects truncated sound files by their headers: decoders read a truncated WAV, AIFF, MP3 or OGG without an error."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

ENDLESS = 0x7F000000
"""A streamed file has a placeholder as length: 0, or a number of at least ENDLESS and over twice the file size."""
OGG_PAGE = 65_307
"""Largest size of an OGG page in bytes."""
XING_WITHIN = 4 * 1024
"""Number of bytes that are searched for the Xing or Info header, counted from an MP3's first frame."""


def missing_bytes(path: Path) -> int:
    """Number of bytes that the file lacks according to its header; 0 for a complete file or an unknown length.

    The result is 1 for an OGG file that does not end with the last page of its stream.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
            return _chunks(file, size, "<" if head[:4] == b"RIFF" else ">", b"data")
        if head[:4] == b"RF64":
            file.seek(20)
            return _missing(int.from_bytes(file.read(8), "little"), 8, size)
        if head[:4] == b"FORM" and head[8:11] == b"AIF":
            return _chunks(file, size, ">", b"SSND")
        if head[:4] == b"OggS":
            return _ogg(file, size)
        if head[:3] == b"ID3" or head[:1] == b"\xff":
            return _mp3(file, size)
    return 0


def _chunks(file: BinaryIO, size: int, order: str, wanted: bytes) -> int:
    """Missing bytes of the chunk that holds the samples (WAV, AIFF); 0 if there is no such chunk."""
    offset = 12
    while offset + 8 <= size:
        file.seek(offset)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        if name == wanted:
            return _missing(length, offset + 8, size)
        offset += 8 + length + length % 2
    return 0


def _ogg(file: BinaryIO, size: int) -> int:
    """Missing bytes of an OGG: a complete file's last page has the flag "end of stream" and all of its segments."""
    file.seek(max(0, size - 2 * OGG_PAGE))
    tail = file.read()
    offset = tail.rfind(b"OggS")
    if offset < 0 or len(tail) < offset + 27 or not tail[offset + 5] & 4:
        return 1
    segments = tail[offset + 27 : offset + 27 + tail[offset + 26]]
    return max(0, offset + 27 + tail[offset + 26] + sum(segments) - len(tail))


def _mp3(file: BinaryIO, size: int) -> int:
    """Missing bytes of an MP3 by the byte count in the first frame's Xing or Info header; 0 without such a header."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if len(head) < 10:
        return 0
    if head[:3] == b"ID3":
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(start)
    frame = file.read(XING_WITHIN)
    offset = max(frame.find(b"Xing"), frame.find(b"Info"))
    if offset < 0 or len(frame) < offset + 16:
        return 0
    flags = int.from_bytes(frame[offset + 4 : offset + 8])
    if flags & 3 != 3:
        return 0
    count = int.from_bytes(frame[offset + 12 : offset + 16])
    return _missing(count, start, size)


def _missing(length: int, start: int, size: int) -> int:
    """Missing bytes where a file of `size` bytes should have `length` bytes from `start` on."""
    if length == 0 or (length >= ENDLESS and length > 2 * size):
        return 0
    return max(0, start + length - size)
