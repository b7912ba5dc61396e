"""Other clips of a corpus, which may be mixed into a clip as babble or as a second talker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from restorebench.benchmark.types import Utterance


class Others(Sequence[str]):
    """The locations of a corpus except some positions: a view, since a copy for every clip would take much memory."""

    def __init__(self, uris: Sequence[str], without: Sequence[int]) -> None:
        """without: positions in `uris` that are left out, in ascending order."""
        self.uris, self.without = uris, without

    def __len__(self) -> int:
        return len(self.uris) - len(self.without)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        for left_out in self.without:
            position += left_out <= position
        return self.uris[position]


class Voices:
    """The locations of a corpus, to be mixed into clips as other voices."""

    def __init__(self, corpus: Sequence[Utterance]) -> None:
        self.uris = [clip.uri for clip in corpus if clip.uri is not None]
        self.positions: dict[str, list[int]] = {}
        for position, uri in enumerate(self.uris):
            self.positions.setdefault(uri, []).append(position)

    def beside(self, uri: str) -> Others:
        """All locations except `uri`."""
        return Others(self.uris, self.positions.get(uri, []))
