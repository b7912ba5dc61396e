"""The worker's side of `OldNumpy` and `Isolated`, which runs in their environment."""

import numpy as np


class Remote:
    def version(self, arrays):
        return [int(np.__version__.partition(".")[0]) for _ in arrays], []

    def halve(self, arrays):
        assert np.__version__.startswith("1.")
        return None, [0.5 * array for array in arrays]
