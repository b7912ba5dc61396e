"""The view of a corpus without one clip equals the list that it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restorebench.benchmark.plan.voices import Others, Voices
from restorebench.benchmark.types import Utterance


@given(st.lists(st.sampled_from("abcde"), max_size=12), st.sampled_from("abcdef"))
def test_the_others_of_a_clip(uris: list[str], uri: str) -> None:
    clips = [Utterance(id=str(number), uri=one) for number, one in enumerate(uris)]
    view = Voices([*clips, Utterance(id="no file", uri=None)]).beside(uri)
    listed = [one for one in uris if one != uri]
    assert len(view) == len(listed)
    assert list(view) == listed
    assert [view[-place] for place in range(1, len(listed) + 1)] == listed[::-1]
    assert view[1:3] == listed[1:3]
    assert bool(view) == bool(listed)
    with pytest.raises(IndexError):
        view[len(listed)]


def test_a_view_copies_nothing() -> None:
    """Each of a hundred thousand clips would have a list of all the others."""
    uris = [str(number) for number in range(100_000)]
    voices = Voices([Utterance(id=uri, uri=uri) for uri in uris])
    assert isinstance(voices.beside("7"), Others)
    assert voices.beside("7").uris is voices.uris
