"""One contract for every engine: each measure of the catalogue, cell by cell, on DuckDB, PostgreSQL, Spark and SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from healthlib import asof, metrics
from healthlib.catalogue import entries
from healthlib.demo import make_demo
from healthlib.elsewhere import look_there
from healthlib.engine import quote
from healthlib.schema import STAYS_HERE
from healthlib.session_spark import SparkSession
from healthlib.sessions import PostgresSession, Session, SqliteSession, native_type
from healthlib.spec import Workspace, load_workspace
from healthlib.tables import Tables, load_tables
from tests import postgres_server
from tests.spark_server import MISSING, spark_session
from tests.test_catalogue import NOT_IN_DEMO, scorecard, written

DAYS = ("2024-02-29", "2024-12-31", "2025-02-28", "2025-06-15", "2025-06-16", "2025-10-31")
PASSWORD = "engine-test"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A simulated company under a scorecard of every entry of the catalogue that its tables carry."""
    folder = tmp_path_factory.mktemp("engines")
    make_demo(folder, seed=3, accounts=30)
    return load_workspace(folder, written(folder, scorecard([name for name in entries() if name not in NOT_IN_DEMO])))


@pytest.fixture(scope="module")
def here(workspace: Workspace) -> Tables:
    tables = load_tables(workspace)
    asof.open_door(tables, workspace)
    return tables


@pytest.fixture(scope="module")
def state(here: Tables, workspace: Workspace) -> pd.DataFrame:
    return asof.state(here, workspace, asof.active_spine(here, [pd.Timestamp(day) for day in DAYS]))


@pytest.fixture(scope="module")
def expected(here: Tables, workspace: Workspace, state: pd.DataFrame) -> pd.DataFrame:
    return metrics.measure(here, workspace, state)


def moved(here: Tables) -> dict[str, pd.DataFrame]:
    """The tables that only metrics read, as frames of sound rows in no order."""
    names = [name for name in here.columns if name not in STAYS_HERE]
    frames = {name: here.engine.query(f"SELECT * EXCLUDE (_line) FROM data.{quote(name)}") for name in names}
    return {name: frame.sample(frac=1, random_state=1) for name, frame in frames.items()}


class Postgres:
    """Tables of a schema of a real server."""

    def __init__(self, frames: dict[str, pd.DataFrame]):
        if postgres_server.programs() is None:
            pytest.skip(postgres_server.MISSING)
        self.running = postgres_server.server(PASSWORD)
        server = self.running.__enter__()
        os.environ["HEALTHLIB_DB_PASSWORD"] = PASSWORD
        self.session: Session = PostgresSession(server.url())
        self.session.connection.execute("CREATE SCHEMA crm")
        for name, frame in frames.items():
            self.session.put("x", frame)
            self.session.connection.execute(f'CREATE TABLE crm."{name}" AS SELECT * FROM healthlib_x')
        self.parts = {name: ("crm", name) for name in frames}

    def close(self) -> None:
        self.session.close()
        os.environ.pop("HEALTHLIB_DB_PASSWORD")
        self.running.__exit__(None, None, None)


class Spark:
    """Views of a local session."""

    def __init__(self, frames: dict[str, pd.DataFrame]):
        pytest.importorskip("pyspark", reason=MISSING)
        self.users = spark_session()
        self.session: Session = SparkSession()
        for name, frame in frames.items():
            self.session.put(f"x_{name}", frame)
        self.parts = {name: (f"healthlib_x_{name}",) for name in frames}

    def close(self) -> None:
        self.session.close()
        self.users.stop()


class Sqlite:
    """Tables of a file."""

    def __init__(self, frames: dict[str, pd.DataFrame], folder: Path):
        path = folder / "crm.sqlite"
        types = {"datetime": "TIMESTAMP", "bool": "BOOLEAN", "int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}
        with sqlite3.connect(path) as connection:
            for name, frame in frames.items():
                text = frame.assign(**{c: frame[c].dt.strftime("%Y-%m-%d %H:%M:%S") for c in frame.select_dtypes("datetime")})
                declared = ", ".join(f'"{c}" {native_type(dtype, types)}' for c, dtype in frame.dtypes.items())
                connection.execute(f'CREATE TABLE "{name}" ({declared})')
                rows = text.astype(object).where(text.notna(), None).itertuples(index=False, name=None)
                connection.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(frame.columns))})', rows)
        self.session: Session = SqliteSession(str(path))
        self.parts = {name: (name,) for name in frames}

    def close(self) -> None:
        self.session.close()


@pytest.fixture(scope="module", params=["postgres", "spark", "sqlite"])
def measured(
    request: pytest.FixtureRequest, here: Tables, workspace: Workspace, state: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Session, pd.DataFrame]]:
    """The session, and what was measured there."""
    frames = moved(here)
    make = {"postgres": Postgres, "spark": Spark, "sqlite": lambda given: Sqlite(given, tmp_path_factory.mktemp("sqlite"))}
    engine = make[request.param](frames)
    there = look_there(workspace, here, engine.session, engine.parts)
    tables = Tables(here.engine, {name: here.columns[name] for name in here.columns if name in STAYS_HERE}, here.report, {}, here.schemas,
                    here.data_through, (), elsewhere=dict.fromkeys(frames, there))  # fmt: skip
    yield engine.session, metrics.measure(tables, workspace, state)
    engine.close()


@pytest.mark.parametrize("name", [name for name in entries() if name not in NOT_IN_DEMO])
def test_every_measure_is_the_same_on_every_engine(name: str, measured: tuple[Session, pd.DataFrame], expected: pd.DataFrame) -> None:
    _, found = measured
    np.testing.assert_array_equal(found[name].isna(), expected[name].isna())
    np.testing.assert_allclose(found[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9, atol=0)
