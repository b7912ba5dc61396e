"""A system that works, and systems with the faults that adapters may have."""

import os
import signal

import numpy as np

from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.types import Audio


def card(name):
    return SystemCard(name=name, version=1, summary="A toy", source="tests", stochastic=name == "toy-echo")


class Echo:
    """Returns its input plus weak noise that is drawn from its seed."""

    card = card("toy-echo")

    def restore(self, batch, seeds):
        noise = [np.random.default_rng(s).normal(scale=1e-3, size=len(a.samples)) for a, s in zip(batch, seeds)]
        return [Audio((a.samples + n).astype(np.float32), a.rate) for a, n in zip(batch, noise)]


class Short:
    card = card("toy-short")

    def restore(self, batch, seeds):
        return [Audio(a.samples[:-7], a.rate) for a in batch]


class Raises:
    card = card("toy-raises")

    def restore(self, batch, seeds):
        raise RuntimeError("this model\nalways fails")


class Nan:
    card = card("toy-nan")

    def restore(self, batch, seeds):
        return [
            Audio(np.where(np.arange(len(a.samples)) == 5, np.nan, a.samples).astype(np.float32), a.rate) for a in batch
        ]


class Odd:
    """Returns None in place of Audio."""

    card = card("toy-odd")

    def restore(self, batch, seeds):
        return [None for _ in batch]


class Dies:
    """Kills its worker process, as a crash in native code does."""

    card = card("toy-dies")

    def restore(self, batch, seeds):
        os.kill(os.getpid(), signal.SIGKILL)


class Large:
    """Allocates 300 MiB in each call."""

    card = card("toy-large")

    def restore(self, batch, seeds):
        allocated = np.ones(300 * 2**17)
        return [Audio((a.samples * allocated[-1]).astype(np.float32), a.rate) for a in batch]


class Allergic(Dies):
    """Kills its worker process, but only on clips longer than 2.5 s."""

    card = card("toy-allergic")

    def restore(self, batch, seeds):
        return super().restore(batch, seeds) if any(a.seconds > 2.5 for a in batch) else list(batch)


class Moody:
    """Raises on clips longer than 2.5 s; the other clips of the batch must still be restored."""

    card = card("toy-moody")

    def restore(self, batch, seeds):
        if any(a.seconds > 2.5 for a in batch):
            raise ValueError("too long for me")
        return list(batch)
