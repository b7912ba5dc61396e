"""The view of a corpus without one clip equals the list that it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.benchmark.plan.voices import Others, Voices
from restorebench.benchmark.types import Utterance


@given(st.lists(st.sampled_from("abcde"), max_size=12), st.sampled_from("abcdef"))
def test_the_view_equals_a_list_of_the_other_clips(uris: list[str], uri: str) -> None:
    clips = [Utterance(id=str(number), uri=other_uri) for number, other_uri in enumerate(uris)]
    view = Voices([*clips, Utterance(id="no file", uri=None)]).beside(uri)
    listed = [other_uri for other_uri in uris if other_uri != uri]
    assert len(view) == len(listed)
    assert list(view) == listed
    assert [view[-position] for position in range(1, len(listed) + 1)] == listed[::-1]
    assert view[1:3] == listed[1:3]
    assert bool(view) == bool(listed)
    with pytest.raises(IndexError):
        view[len(listed)]


def test_a_view_copies_nothing() -> None:
    """Otherwise each of 100 000 clips would hold a list of all other clips."""
    uris = [str(number) for number in range(100_000)]
    voices = Voices([Utterance(id=uri, uri=uri) for uri in uris])
    assert isinstance(voices.beside("7"), Others)
    assert voices.beside("7").uris is voices.uris
