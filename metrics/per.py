"""Phone error rate: the phones recognised in the estimate against the phones recognised in the reference.

The metric needs no transcript. It counts inserted phones (hallucinated speech) and deleted phones (lost speech)
separately. The recogniser is hama (CTC, English phones in IPA). It makes errors on clean speech too, so the rate is
meaningful only for comparing systems; the target scores 0 by definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorebench.benchmark.contracts import Clip, MetricCard, Subject, Value
from restorebench.benchmark.isolation.environments import locked_requirements
from restorebench.benchmark.types import Outcome
from restorebench.metrics.isolated_asr import SCRIPTS_FOLDER, IsolatedRecogniser
from restorebench.metrics.wer import count_errors

KINDS = {"substitutions": "PER subst.", "deletions": "PER del.", "insertions": "PER ins."}


hama = IsolatedRecogniser(
    name="hama",
    file="hama_phones.py",
    requirements=locked_requirements(SCRIPTS_FOLDER / "hama.txt"),
    rules="decoding=greedy-ctc",
    cost=0.2,
)


class PhoneErrorRate:
    card = MetricCard(
        name="per@hama",
        version=1,
        summary="Phone error rate against the phones recognised in the reference: hallucinated and lost speech",
        source="hama 1.7.0 (phone CTC); counts by jiwer",
        licence="Apache-2.0",
        packages=("jiwer",),
        extra="metrics",
        environment=hama.requirements,
        cost=hama.cost,
        needs=frozenset({"reference"}),
        aligned=False,
        definition="asr=hama|language=en|decoding=greedy-ctc|against=recognised reference|resample=soxr-hq-16k",
        values=(
            Value(
                name="per@hama",
                label="PER",
                unit="%",
                direction="lower",
                reduction="rate",
                decimals=1,
                ideal=0.0,
                role="intelligibility",
                margin=1.0,
            ),
            *(
                Value(
                    name=f"per@hama.{kind}", label=label, unit="%", direction="lower", reduction="rate", decimals=1,
                    ideal=0.0, role="intelligibility",
                )
                for kind, label in KINDS.items()
            ),
        ),
    )  # fmt: skip

    def prepare(self, subject: Subject) -> str:
        if subject.language != "en":
            raise ValueError(f"per@hama recognises English phones; this clip is in {subject.language!r}")
        [phones] = hama.transcribe([subject.reference], "en")
        if not phones:
            raise ValueError("no phone was recognised in the reference")
        return phones

    def score(self, prepared: str, estimates: Sequence[Clip]) -> list[Mapping[str, Outcome]]:
        return [self._outcomes(prepared, phones) for phones in hama.transcribe(estimates, "en")]

    def _outcomes(self, reference: str, estimate: str) -> dict[str, Outcome]:
        counts = count_errors(reference, estimate)
        outcomes = {"per@hama": Outcome(100 * counts.errors / counts.words, counts.components())}
        for kind in KINDS:
            errors = getattr(counts, kind)
            outcomes[f"per@hama.{kind}"] = Outcome(
                100 * errors / counts.words, {"errors": errors, "total": counts.words}
            )
        return outcomes
