"""Must not be imported by a mere listing of other kinds, nor by --help."""

from restorebench.benchmark.contracts import SystemCard


class Heavy:
    card = SystemCard(
        name="toy-heavy", version=1, summary="Needs what nobody has", source="tests", packages=("no-such-package",)
    )

    def restore(self, batch, seeds):
        return list(batch)
