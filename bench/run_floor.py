"""The whole `healthlib run` against three floors.

"same cells" is the work itself: the cells of the four notebooks in one plain Python process, which computes what they ask for, and one
export each; no kernel, no papermill, one thing after the other. The other two are what papermill and nbconvert cost before any work is
done: the same notebooks, emptied of all but their imports, executed and exported, once as anybody would call them (one process, default
template), once with every trick the runner knows. `python bench/run_floor.py --workspace FOLDER`.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AIMS = {"same cells": 1.5, "floor": 2.0, "tuned floor": 2.0}

PLAIN = """
import sys; from pathlib import Path
import nbconvert, papermill
exporter = nbconvert.HTMLExporter()
for path in sorted(Path(sys.argv[1]).glob("*.ipynb")):
    out = path.parent / "done" / path.name
    papermill.execute_notebook(str(path), str(out), progress_bar=False, kernel_name="python3")
    path.with_suffix(".html").write_text(exporter.from_filename(str(out))[0])
"""
TUNED = """
import sys; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path
from healthlib import execution, report
def make(path):
    return execution.execute(path, path.parent / "done" / path.name, {})
with ThreadPoolExecutor(2) as pool:
    for done in pool.map(make, sorted(Path(sys.argv[1]).glob("*.ipynb"))):
        report.export(done, done.with_suffix(".html"))
"""
SAME = """
import sys; from pathlib import Path
import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from healthlib import report
shell = InteractiveShell.instance()
for path in sorted(Path("notebooks").glob("0[1-4]*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    shell.reset()
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        with capture_output() as shown:
            shell.run_cell(cell.source).raise_error()
            shell.user_ns.update({"workspace": sys.argv[1], "as_of": "", "facts": ""} if count == 1 else {})
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("display_data", data=dict(o.data)) for o in shown.outputs]
    done = Path(sys.argv[2]) / path.name
    nbformat.write(notebook, done)
    report.export(done, done.with_suffix(".html"))
"""
RUN = "import sys; from healthlib import runner; print(runner.run(sys.argv[1], None, sys.argv[2]).seconds)"


def empty_notebooks(folder: Path) -> None:
    """Each of our notebooks with its parameters and imports and nothing else."""
    import nbformat

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        imports = [
            ast.unparse(node) for cell in code for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        code[1].source = "\n".join([*imports, "None"])
        notebook.cells = code[:2]
        nbformat.write(notebook, folder / path.name)
    (folder / "done").mkdir()


def timed(code: str, *arguments: str) -> tuple[float, float, str]:
    """Seconds by the clock, CPU seconds of the process and its children, and what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    told = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, told.stdout


def main() -> int:
    """Print the run, both floors and their ratios, the best of a few."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--workspace", type=Path, default=ROOT / "data" / "demo")
    options.add_argument("--repeat", type=int, default=2)
    chosen = options.parse_args()
    if not (chosen.workspace / "workspace.yaml").is_file() or not list(chosen.workspace.glob("accounts.*")):
        subprocess.run([sys.executable, "-m", "healthlib.cli", "demo", str(chosen.workspace)], cwd=ROOT, check=True)
    best: dict[str, tuple[float, float, str]] = {}
    for _ in range(chosen.repeat):
        with tempfile.TemporaryDirectory() as folder:
            empty_notebooks(Path(folder))
            for name, code, arguments in (
                ("floor", PLAIN, [folder]),
                ("tuned floor", TUNED, [folder]),
                ("same cells", SAME, [str(chosen.workspace), folder]),
                ("run", RUN, [str(chosen.workspace), folder + "/out"]),
            ):
                best[name] = min(best.get(name, (float("inf"), 0.0, "")), timed(code, *arguments))
    print(f"healthlib run {chosen.workspace.name}, the best of {chosen.repeat}")
    for name, (seconds, cpu, _) in best.items():
        print(f"  {name:12s} {seconds:6.2f} s  {cpu:6.2f} CPU s")
    steps = ast.literal_eval(best["run"][2].strip())
    print("  steps of the run: " + json.dumps(steps))
    for name, aim in AIMS.items():
        clock, work = (best["run"][i] / best[name][i] for i in (0, 1))
        print(f"  run / {name}: {clock:.2f} x by the clock, {work:.2f} x in CPU (aim {aim} x)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
