"""A row of finished outputs of another program, for a recorded test set or for one that `restorebench degrade` wrote.

`published:NAME` reads the folder NAME beside the folder of the recorded inputs. `published:NAME@DIR` and
`published:DIR` (a path with a slash) read `DIR/CONDITION/ID` with any audio suffix: the paths that
`restorebench restore SET/degraded DIR` writes for clips of `restorebench degrade SUITE --out SET`.
"""

from __future__ import annotations

from pathlib import Path

from restorebench.benchmark.audio import read
from restorebench.benchmark.contracts import SystemCard
from restorebench.benchmark.data.locations import AUDIO_SUFFIXES, file_sha256, resolve_uri
from restorebench.benchmark.errors import AudioError, RequestError
from restorebench.benchmark.types import Audio, Pair, Trial


class Published:
    card = SystemCard(
        name="published",
        version=1,
        kind="published",
        argument="NAME",
        summary="published:NAME@DIR, outputs of another program: DIR/CONDITION/ID.wav for the clips of `degrade`",
        source="the folder's owner",
        licence="the folder's owner's",
    )

    def __init__(self, name: str = "", checkpoint: Path | None = None) -> None:
        """checkpoint: folder of outputs for a set of `degrade`; None: the folder NAME beside the recorded inputs."""
        if checkpoint is None and "/" in name:
            checkpoint = Path(name)
        elif not name or "/" in name or name.startswith("."):
            raise RequestError(f"published:{name}: wanted a name, and a folder after @, as in published:VoiceFixer@DIR")
        if checkpoint is not None and not checkpoint.is_dir():
            raise RequestError(f"published:{name}: {checkpoint} is no folder; wanted one with CONDITION/ID.wav")
        self.name, self.folder = name, checkpoint
        full_name = f"published:{name}"
        self.card = Published.card.model_copy(update={"name": full_name, "summary": f"Outputs of {name}"})

    def output_file(self, trial: Trial) -> Path | None:
        """The file of the output for this clip; None if there is no such file."""
        if self.folder is not None:
            suffixes = [spelling for suffix in sorted(AUDIO_SUFFIXES) for spelling in (suffix, suffix.upper())]
            paths = [self.folder / f"{trial.id}{suffix}" for suffix in suffixes]
        elif trial.utterance.degraded is not None:
            folder, _, file = trial.utterance.degraded.rpartition("/")
            paths = [resolve_uri(f"{folder.rpartition('/')[0]}/{self.name}/{file}")]
        else:
            paths = []
        return next((path for path in paths if path.is_file()), None)

    def offers(self, trial: Trial) -> bool:
        return self.output_file(trial) is not None

    def identity(self, trial: Trial) -> str:
        path = self.output_file(trial)
        return file_sha256(path) if path else "absent"

    def supply(self, trial: Trial, pair: Pair) -> Audio:
        path = self.output_file(trial)
        if path is None:
            raise AudioError(f"{self.name} published no output for this clip")
        return read(path)
