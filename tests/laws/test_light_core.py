"""`--help` and `list` import neither torch nor a metric's package; only listing systems imports a plug-in's system."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "torchaudio", "onnxruntime", "librosa", "scipy", "pocketsphinx", "resemblyzer", "pandas", "pyarrow",
         "matplotlib", "toy_plugin.heavy"}  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["list", "metrics"], ["list", "papers"], ["list"]]
)
def test_help_and_list_import_no_heavy_package(arguments: list[str], toy_plugin: dict[str, str]) -> None:
    code = (
        "import sys; sys.argv = ['restorebench', *sys.argv[1:]]\n"
        "from restorebench.benchmark.cli import main as cli\n"
        "try: cli.main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print('IMPORTED', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={**os.environ, **toy_plugin}
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.rpartition("IMPORTED")[2].split())
    forbidden = HEAVY - {"toy_plugin.heavy"} if arguments == ["list"] else HEAVY
    assert not imported & forbidden


def test_metrics_import_only_filters_from_librosa() -> None:
    """Importing `librosa.feature` or `librosa.core` compiles functions: half a minute on a fresh installation."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "metrics").glob("*.py")}
    imports = {name: re.findall(r"(?:from|import) librosa\S*", text) for name, text in sources.items()}
    assert {name: names for name, names in imports.items() if names} == {"mel.py": ["from librosa.filters"]}


@pytest.mark.parametrize(("metric", "package"), [("spk_sim@resemblyzer", "resemblyzer"), ("dnsmos", "speechmos")])
def test_no_metric_compiles_code_when_it_is_first_used(metric: str, package: str) -> None:
    """The package that a metric uses may import librosa, but not the modules that compile functions."""
    pytest.importorskip(package)
    code = (
        "import sys, numpy as np, restorebench as rb\n"
        "sound = np.random.default_rng(0).normal(scale=0.1, size=32000).astype(np.float32)\n"
        "rb.score(sound, sound, rate=16_000, metrics=[sys.argv[1]])\n"
        "print('IMPORTED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, metric], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"librosa.core.audio", "librosa.core.pitch"} & set(done.stdout.rpartition("IMPORTED")[2].split())
