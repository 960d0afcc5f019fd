"""Facts to a folder of Parquet and JSON, and back: how the runner hands results to the notebooks. No pickle."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import HealthlibError

INDEX = "facts.json"


class StoreError(HealthlibError):
    """A facts folder that cannot be read, or a value that has no place in one."""


def save(facts: Any, folder: Path | str) -> Path:
    """Write one facts object (a dataclass, a frame, or any nest of them) to a new or emptied folder.

    Frames become ``NNN.parquet``, everything else one JSON file. The same facts give the same bytes.

    Parameters
    ----------
    facts : frozen dataclasses, pydantic models of this package, frames, series, arrays, mappings, tuples, lists, dates, plain scalars
    folder : created where absent

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StoreError
        For a value of any other kind; the message says where it stands.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    writer = _Writer(folder)
    tree = writer.encode(facts, "facts")
    (folder / INDEX).write_text(json.dumps(tree, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    return folder


def load(folder: Path | str) -> Any:
    """Read back what `save` wrote: equal values, equal dtypes, equal types.

    Raises
    ------
    StoreError
        Where the folder holds no facts, or names a class from outside this package.
    """
    folder = Path(folder)
    index = folder / INDEX
    if not index.is_file():
        raise StoreError(f"{folder}: no facts here ({INDEX} is missing); pass facts='' to compute them")
    return _decode(json.loads(index.read_text(encoding="utf-8")), folder)


class _Writer:
    """Encodes values to JSON, putting frames beside it under running numbers."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.count = 0

    def encode(self, value: Any, where: str) -> Any:
        """A value as JSON can hold it; `where` is its place, for the message if it cannot be held."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, (np.generic,)) and not isinstance(value, (np.datetime64, np.timedelta64)):
            return self.encode(value.item(), where)
        if isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
        if value is pd.NaT:
            return {"$": "nat"}
        if isinstance(value, (pd.Timestamp, np.datetime64)):
            stamp = pd.Timestamp(value)
            return {"$": "timestamp", "v": stamp.isoformat(), "unit": stamp.unit}
        if isinstance(value, date):
            return {"$": "date", "v": value.isoformat()}
        if isinstance(value, Path):
            return {"$": "path", "v": str(value)}
        return self._encode_nest(value, where)

    def _encode_nest(self, value: Any, where: str) -> Any:
        if isinstance(value, pd.DataFrame):
            return self._encode_frame(value)
        if isinstance(value, pd.Series):
            return {"$": "series", "frame": self._encode_frame(value.to_frame("v")), "name": self.encode(value.name, where)}
        if isinstance(value, np.ndarray):
            flat = pd.DataFrame({"v": value.reshape(-1)})
            return {"$": "array", "frame": self._encode_frame(flat), "shape": list(value.shape), "dtype": str(value.dtype)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: self.encode(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value) if f.init}
            return {"$": "dataclass", "type": _type_name(value, where), "fields": fields}
        if hasattr(value, "model_dump_json"):
            return {"$": "model", "type": _type_name(value, where), "v": value.model_dump_json(by_alias=True)}
        if isinstance(value, Mapping):
            pairs = [[self.encode(k, where), self.encode(v, f"{where}[{k!r}]")] for k, v in value.items()]
            return {"$": "dict", "v": pairs}
        if isinstance(value, tuple):
            return {"$": "tuple", "v": [self.encode(v, f"{where}[{i}]") for i, v in enumerate(value)]}
        if isinstance(value, list):
            return [self.encode(v, f"{where}[{i}]") for i, v in enumerate(value)]
        raise StoreError(f"{where}: a {type(value).__name__} cannot be stored; use frames, dataclasses, mappings, lists or plain values")

    def _encode_frame(self, frame: pd.DataFrame) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = f"{self.count:03d}.parquet"
        self.count += 1
        plain = isinstance(frame.index, pd.RangeIndex) and (frame.index.start, frame.index.step) == (0, 1) and frame.index.name is None
        levels = [] if plain else [frame.index.get_level_values(i) for i in range(frame.index.nlevels)]
        arrays = [pd.Series(level).reset_index(drop=True) for level in levels] + [
            frame.iloc[:, i].reset_index(drop=True) for i in range(frame.shape[1])
        ]
        table = pa.Table.from_arrays([pa.Array.from_pandas(_storable(a)) for a in arrays], [f"c{i}" for i in range(len(arrays))])
        pq.write_table(table, self.folder / name, compression="zstd", store_schema=True)
        return {
            "$": "frame",
            "file": name,
            "rows": len(frame),
            "index": [self.encode(n, name) for n in frame.index.names] if levels else [],
            "columns": [self.encode(c, name) for c in frame.columns],
            "column_names": [self.encode(n, name) for n in frame.columns.names],
            "dtypes": [_dtype_name(a) for a in arrays],
        }


def _storable(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Series(values.cat.codes)
    if isinstance(values.dtype, pd.PeriodDtype):
        return values.astype("str")
    return values


def _dtype_name(values: pd.Series) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return {"categories": [None if pd.isna(c) else c for c in values.cat.categories.tolist()], "ordered": bool(values.cat.ordered)}
    return str(values.dtype)


def _type_name(value: Any, where: str) -> str:
    kind = type(value)
    if not kind.__module__.startswith("healthlib.") and kind.__module__ != "healthlib":
        raise StoreError(f"{where}: {kind.__module__}.{kind.__qualname__} is not a class of healthlib and would not be read back")
    return f"{kind.__module__}:{kind.__qualname__}"


def _find_type(name: str) -> Any:
    module, _, qualname = name.partition(":")
    if module.split(".")[0] != "healthlib":
        raise StoreError(f"facts name a class from outside healthlib: {name}")
    found = getattr(importlib.import_module(module), qualname, None)
    plain = (
        isinstance(found, type) and found.__module__ == module and (dataclasses.is_dataclass(found) or hasattr(found, "model_dump_json"))
    )
    if not plain:
        raise StoreError(f"facts name what is no kind of facts: {name}")
    return found


def _decode(tree: Any, folder: Path) -> Any:
    if isinstance(tree, list):
        return [_decode(v, folder) for v in tree]
    if not isinstance(tree, dict):
        return tree
    return _DECODERS[tree["$"]](tree, folder)


def _decode_frame(tree: dict[str, Any], folder: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(folder / tree["file"]).read()
    series = [_restored(table.column(i), dtype) for i, dtype in enumerate(tree["dtypes"])]
    depth = len(tree["index"])
    frame = pd.DataFrame(dict(enumerate(series[depth:])), index=pd.RangeIndex(tree["rows"]))
    columns = [_decode(c, folder) for c in tree["columns"]]
    names = [_decode(n, folder) for n in tree["column_names"]]
    if len(names) > 1:
        frame.columns = pd.MultiIndex.from_tuples(columns, names=names)
    elif names == [None] and columns == list(range(len(columns))):
        frame.columns = pd.RangeIndex(len(columns))
    else:
        frame.columns = pd.Index(columns, name=names[0])
    if depth == 1:
        frame.index = pd.Index(series[0].rename(_decode(tree["index"][0], folder)))
    elif depth > 1:
        frame.index = pd.MultiIndex.from_arrays(series[:depth], names=[_decode(n, folder) for n in tree["index"]])
    return frame


def _restored(column: Any, dtype: Any) -> pd.Series:
    if dtype == "object":
        return pd.Series(column.to_pylist(), dtype=object)
    values = column.to_pandas()
    if isinstance(dtype, dict):
        return pd.Series(pd.Categorical.from_codes(values.to_numpy(), categories=dtype["categories"], ordered=dtype["ordered"]))
    return values if str(values.dtype) == dtype else values.astype(dtype)


def _decode_series(tree: dict[str, Any], folder: Path) -> pd.Series:
    return _decode(tree["frame"], folder)["v"].rename(_decode(tree["name"], folder))


def _decode_array(tree: dict[str, Any], folder: Path) -> np.ndarray:
    return _decode(tree["frame"], folder)["v"].to_numpy().astype(tree["dtype"]).reshape(tree["shape"])


def _decode_dataclass(tree: dict[str, Any], folder: Path) -> Any:
    return _find_type(tree["type"])(**{name: _decode(v, folder) for name, v in tree["fields"].items()})


_DECODERS = {
    "float": lambda tree, folder: float(tree["v"]),
    "nat": lambda tree, folder: pd.NaT,
    "timestamp": lambda tree, folder: pd.Timestamp(tree["v"]).as_unit(tree["unit"]),
    "date": lambda tree, folder: date.fromisoformat(tree["v"]),
    "path": lambda tree, folder: Path(tree["v"]),
    "tuple": lambda tree, folder: tuple(_decode(v, folder) for v in tree["v"]),
    "dict": lambda tree, folder: {_decode(k, folder): _decode(v, folder) for k, v in tree["v"]},
    "frame": _decode_frame,
    "series": _decode_series,
    "array": _decode_array,
    "dataclass": _decode_dataclass,
    "model": lambda tree, folder: _find_type(tree["type"]).model_validate_json(tree["v"]),
}
