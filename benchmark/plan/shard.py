"""Splits a plan into parts for several machines; each machine computes the same split without communication."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from restorebench.benchmark.core.digest import digest
from restorebench.benchmark.errors import RequestError
from restorebench.benchmark.plan.plan import Plan


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count`. The hash of a trial's id determines its part, for all systems."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that a text such as `2/5` names. Raises RequestError for any other text."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise RequestError(f"--shard {text}: wanted NUMBER/COUNT, as in 2/5: the second of five parts")
        return cls(int(match[1]), int(match[2]))

    def holds(self, trial: str) -> bool:
        """Whether the trial with this id is in this part. Ids, unlike keys, are the same where files are missing."""
        return int(digest(trial)[:16], 16) % self.count == self.number - 1

    def of(self, plan: Plan) -> Plan:
        """The trials and jobs of a plan that are in this part."""
        return replace(
            plan,
            trials=tuple(trial for trial in plan.trials if self.holds(trial.id)),
            jobs=tuple(job for job in plan.jobs if self.holds(job.trial.id)),
        )


WHOLE = Shard(1, 1)
