"""Counts of word errors: substitutions, deletions and insertions are counted separately."""

from __future__ import annotations

from dataclasses import dataclass

LOOP = 2.4
"""A text with a zlib compression ratio above this repeats itself (openai/whisper, compression_ratio_threshold)."""
SHORTEST_LOOP = 80
"""Smallest number of characters of a loop; the compression ratio of shorter texts is not reliable."""


@dataclass(frozen=True)
class ErrorCount:
    """Edit counts against a reference of `words` words. For a rate over clips, add the counts, then divide once."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    def components(self) -> dict[str, float]:
        return {
            "errors": self.errors,
            "total": self.words,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
        }


def count_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Word edits between two normalised texts. Raises ValueError when the reference has no words."""
    import jiwer

    if not reference:
        raise ValueError("the transcript has no words")
    words = len(reference.split())
    if not hypothesis:
        return ErrorCount(0, words, 0, words)
    alignment = jiwer.process_words(reference, hypothesis)
    return ErrorCount(alignment.substitutions, alignment.deletions, alignment.insertions, words)


def aligned_words(reference: str, hypothesis: str) -> list[tuple[str, str]]:
    """Passages of two normalised texts as `count_errors` pairs them: (reference, hypothesis), equal or not.

    >>> aligned_words("the birch canoe slid", "the church canoe slid down")
    [('the', 'the'), ('birch', 'church'), ('canoe slid', 'canoe slid'), ('', 'down')]
    """
    import jiwer

    if not (reference and hypothesis):
        return [(reference, hypothesis)]
    alignment = jiwer.process_words(reference, hypothesis)
    spoken, heard = alignment.references[0], alignment.hypotheses[0]
    return [
        (" ".join(spoken[c.ref_start_idx : c.ref_end_idx]), " ".join(heard[c.hyp_start_idx : c.hyp_end_idx]))
        for c in alignment.alignments[0]
    ]


def repeats_itself(text: str) -> bool:
    """Whether a transcript is a loop rather than speech.

    >>> repeats_itself("and then he said " * 12)
    True
    >>> repeats_itself("The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.")
    False
    """
    import zlib

    data = text.encode()
    return len(text) >= SHORTEST_LOOP and len(data) / len(zlib.compress(data)) > LOOP
