"""Reads and writes units with checksums: a sha256 within each JSON file, page checksums within Parquet files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from restorebench.benchmark.errors import RequestError

HEAD = '{"sha256": "'


class Damaged(RequestError):
    """A unit's file is not as it was written: bytes have changed, or a part of the file is missing."""


def sealed(text: str) -> bytes:
    """A JSON text with its checksum: `{"sha256": ..., "content": TEXT}`."""
    return f'{HEAD}{_sha256(text)}",\n"content": {text}}}'.encode()


def unsealed(path: Path) -> Any:
    """The content of a sealed JSON file. A file of an earlier version, which has no checksum, is read unchecked.

    Raises Damaged, or FileNotFoundError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.startswith(HEAD) and '\n"content": ' not in text:
            return json.loads(text)
        head, _, rest = text.partition('\n"content": ')
        if head != f'{HEAD}{_sha256(rest[:-1])}",' or rest[-1:] != "}":
            raise Damaged(f"{path}: is damaged (its checksum does not match)")
        return json.loads(rest[:-1])
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Damaged(f"{path}: is damaged ({error})") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def table_bytes(table: pa.Table) -> bytes:
    """A table as Parquet whose pages carry checksums."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())


def read_table(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The rows of a Parquet file. Raises Damaged when the file is damaged or has other columns than records."""
    try:
        # pq.read_table, which makes a dataset of the file, takes several times as long for files this small.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns, use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        unreadable = isinstance(error, MemoryError | FileNotFoundError | PermissionError)
        if unreadable or getattr(error, "errno", None) or "[errno" in str(error).lower():
            raise  # absent, no permission, no memory, too many open files, a disk error: the file may be undamaged
        raise Damaged(f"{path}: is damaged ({' '.join(str(error).split())[:120]})") from error
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    if not table.schema.equals(wanted):
        raise Damaged(f"{path}: is damaged (its columns are not those of records)")
    return table
