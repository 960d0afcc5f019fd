"""optbinning in an environment of its own, made when it is first wanted: 220 MB that nobody else needs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

HOME = Path(__file__).resolve().parents[1] / ".bench" / "optbinning"

FRAME = """
import importlib.metadata, json, resource, sys, time
import pandas as pd
frame = pd.read_parquet(sys.argv[1])
"""
TELL = """
more = globals().get("told", {})
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"seconds": seconds, "version": importlib.metadata.version("optbinning"), "memory": memory} | more))
"""


def interpreter() -> Path:
    """Its Python, after installing what is missing; raises what the installer raises."""
    python = HOME / "bin" / "python"
    if not python.exists():
        print("installing optbinning in .bench/optbinning, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True, capture_output=True)
    if subprocess.run([str(python), "-c", "import optbinning, pyarrow"], capture_output=True).returncode:
        uv = Path(sys.executable).with_name("uv")
        installer = (
            [str(uv), "pip", "install", "-q", "--python", str(python)] if uv.exists() else [str(python), "-m", "pip", "install", "-q"]
        )
        subprocess.run([*installer, "optbinning>=1,<2", "pyarrow"], check=True, capture_output=True)
    return python


def run_apart(code: str, frame: pd.DataFrame) -> dict[str, Any] | str:
    """Run code on the frame, as `frame`, in that environment: seconds, version, memory and `told` of it; or why it could not be."""
    try:
        python = interpreter()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frame.parquet"
            frame.to_parquet(path)
            done = subprocess.run([str(python), "-c", FRAME + code + TELL, str(path)], check=True, capture_output=True, text=True)
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)) or ""
        lines = (said.decode(errors="replace") if isinstance(said, bytes) else said).strip().splitlines() or ["no reason given"]
        return f"could not be installed or run, so there is no comparison ({lines[-1][:200]})"
