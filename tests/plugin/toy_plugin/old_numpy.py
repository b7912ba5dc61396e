"""The far side of `OldNumpy`."""

import numpy as np


class Remote:
    def version(self, arrays):
        return [int(np.__version__.partition(".")[0]) for _ in arrays], []
