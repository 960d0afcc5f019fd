"""A PostgreSQL server of the test's own: made in a folder, asked over a port of this machine, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MISSING = "no PostgreSQL server on this machine (initdb and pg_ctl): install the package postgresql to run these tests"


@dataclass(frozen=True)
class Server:
    """Where it listens; everybody needs a password."""

    port: int
    password: str

    def url(self, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres"


def programs() -> Path | None:
    """Folder of initdb and pg_ctl, the newest there is."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda folder: float(folder.parent.name))
    known = shutil.which("initdb")
    folders = [*found, *([Path(known).resolve().parent] if known else [])]
    return next((folder for folder in reversed(folders) if (folder / "pg_ctl").is_file()), None)


@contextmanager
def server(password: str) -> Iterator[Server]:
    """Start one, and stop it. PostgreSQL refuses to run as root, so root lends it the user nobody."""
    bins = programs()
    assert bins is not None, MISSING
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data, secret, log = folder / "data", folder / "secret", folder / "log"
    secret.write_text(password)
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        for path in (folder, secret):
            shutil.chown(path, "nobody", "nogroup")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
        subprocess.run([*as_user, *command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)

    try:
        run(
            str(bins / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(secret),
            "-E",
            "UTF8",
            "--no-sync",
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run(str(bins / "pg_ctl"), "-D", str(data), "-l", str(log), "-o", options, "-w", "-t", "60", "start")
        try:
            yield Server(port, password)
        finally:
            run(str(bins / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
