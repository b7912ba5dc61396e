"""Run in sgmse's environment: restores a sine wave with StoRM of 6 M parameters, whose weights depend on their names.

Prints the output that `test_storm_equals_the_authors_program` compares with that of the authors' program for the same
weights, input and seed.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "systems" / "baselines" / "remote"))
from sgmse_package import Regeneration, Remote

settings = {"theta": 1.5, "sigma_min": 0.05, "sigma_max": 0.5, "base_dir": "", "condition": "both"}
model = Regeneration({**settings, "backbone_denoiser": "ncsnpp6M", "backbone_score": "ncsnpp6M"})
weights = model.state_dict()
for number, name in enumerate(sorted(weights)):
    drawn = torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(number))
    weights[name].copy_(0.05 * drawn)
sine = (0.3 * torch.sin(0.05 * torch.arange(8000))).numpy()
printed = {}
for corrector in ("ald", "none"):
    worker = Remote("", "storm", "3", corrector, "0.5")
    worker.model = model.eval()
    _, [restored] = worker.restore([sine], [5])
    printed[corrector] = [float(restored[index]) for index in (100, 2000, 4000, 6000, 7900)]
print(json.dumps(printed))
