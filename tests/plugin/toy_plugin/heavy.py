"""A module that neither `--help` nor a list of other kinds than systems may import."""

from restorebench.benchmark.contracts import SystemCard


class Heavy:
    card = SystemCard(
        name="toy-heavy",
        version=1,
        summary="Needs a package that does not exist",
        source="tests",
        packages=("no-such-package",),
    )

    def restore(self, batch, seeds):
        return list(batch)
