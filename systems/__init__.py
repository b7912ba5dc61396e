"""Systems by registry name. A new one is one file and one line here."""

BUILTIN = {
    "dtln": "baselines.dtln:Dtln",
    "gtcrn": "baselines.gtcrn:Gtcrn",
    "published": "published:Published",
    "spectral-gate": "spectral_gate:SpectralGate",
    "target": "passthrough:Target",
    "unprocessed": "passthrough:Unprocessed",
    "wpe": "wpe:Wpe",
}
