"""Reads text files with errors that name the file, and removes control characters from text that is shown."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

from restorebench.benchmark.errors import RequestError


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark. Raises RequestError for another encoding."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises RequestError for invalid TOML, and FileNotFoundError."""
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RequestError(f"{path}: not valid TOML ({error})") from error


def printable(text: str) -> str:
    """The text on one line, without CI commands (`::`) and characters that control a terminal or writing direction.

    >>> printable("a\\x1b[31m")
    'a\\ufffd[31m'
    >>> printable("::error ::x")
    ': :error ::x'
    """
    if text.isascii() and text.isprintable() and not text.lstrip().startswith("::"):
        return text
    shown = "".join(
        character if _harmless(character) else " " if character in "\t\n\r\u2028\u2029" else "\ufffd"
        for character in text
    )
    return re.sub(r"^(\s*):(?=:)", r"\1: ", shown)


def _harmless(character: str) -> bool:
    """Whether a character may be shown. Joiners and non-joiners may be shown: Persian and Indic scripts need them."""
    return character in "\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def decodable(name: str) -> str:
    """A file's name as text; bytes that are not UTF-8 become the replacement character.

    >>> decodable("a\udcffb")
    'a\ufffdb'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def require_id(name: str, where: str) -> None:
    """Raises RequestError for a clip's id that is not a plain relative path: ids become file paths below a folder."""
    parts = PurePosixPath(name).parts
    plain = name and not name.startswith("/") and not name.endswith("/") and "\\" not in name and "//" not in name
    if not plain or {".", ".."} & set(name.split("/")) or any(printable(part) != part for part in parts):
        raise RequestError(
            f"{where}: id {printable(name)!r}; wanted a relative path such as speaker/clip, without .., \\ or //"
        )
