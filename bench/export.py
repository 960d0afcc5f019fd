"""A page of ours against nbconvert's default page of the same executed notebook: CPU seconds and bytes.

`python bench/export.py FOLDER`, where FOLDER is what a run left (its *.ipynb). Best of three each, after one export to warm up.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbconvert

from healthlib import report


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of three."""
    took = []
    for _ in range(3):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return min(took)


def main() -> None:
    folder, default = Path(sys.argv[1]), nbconvert.HTMLExporter()
    notebooks = sorted(folder.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as home:
        page, theirs = Path(home) / "ours.html", Path(home) / "theirs.html"
        for path in (notebooks[0], *notebooks):
            ours = seconds(lambda path=path: report.export(path, page))
            peer = seconds(lambda path=path: theirs.write_text(default.from_filename(str(path))[0], encoding="utf-8"))
            sizes = page.stat().st_size, theirs.stat().st_size
            print(
                f"{path.stem:10} CPU {ours:.2f} s of {peer:.2f} s = {ours / peer:.2f};"
                f" bytes {sizes[0]:,} of {sizes[1]:,} = {sizes[0] / sizes[1]:.2f}"
            )


if __name__ == "__main__":
    main()
