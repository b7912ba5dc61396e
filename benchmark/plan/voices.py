"""Other clips of a corpus, which may be mixed into a clip as babble or as a second talker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from restorebench.benchmark.types import Utterance


class Others(Sequence[str]):
    """The locations of a corpus without some places: a view, since each of a million clips has a million others."""

    def __init__(self, uris: Sequence[str], without: Sequence[int]) -> None:
        """without: places in `uris`, in ascending order."""
        self.uris, self.without = uris, without

    def __len__(self) -> int:
        return len(self.uris) - len(self.without)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        for left_out in self.without:
            place += left_out <= place
        return self.uris[place]


class Voices:
    """The locations of a corpus, to be mixed into clips as other voices."""

    def __init__(self, corpus: Sequence[Utterance]) -> None:
        self.uris = [clip.uri for clip in corpus if clip.uri is not None]
        self.places: dict[str, list[int]] = {}
        for place, uri in enumerate(self.uris):
            self.places.setdefault(uri, []).append(place)

    def beside(self, uri: str) -> Others:
        """All locations but this one."""
        return Others(self.uris, self.places.get(uri, []))
