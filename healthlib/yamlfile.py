"""A YAML file as plain values that remember their lines; duplicate keys and syntax errors become faults, never tracebacks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from healthlib.address import without_passwords
from healthlib.errors import Fault

Place = tuple[str | int, ...]
"""Where a value stands in a file: keys and 0-based list positions from the top."""

MAX_NODES = 200_000
"""Values a file may hold after its anchors are written out; more is a mistake or an attack."""

MAX_BYTES = 500_000
"""Bytes of a file; the demo's is 10,000."""

TAG = "tag:yaml.org,2002:"
PLAIN = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]{0,300})", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[1-9][0-9]*[eE][-+]?[0-9]+|\.inf)|\.nan",
        list("-+0123456789."),
    ),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", list("0123456789")),
    ("merge", r"<<", ["<"]),
)
"""Unquoted text that is not text. YAML 1.2's rules: a country `NO` stays text, and so does an id `007`."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the types of `PLAIN` only."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - PyYAML's own attribute


for _name, _pattern, _first in PLAIN:
    _Loader.add_implicit_resolver(TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True)
class Document:
    """A YAML file that was read.

    Attributes
    ----------
    file : the path as the user knows it
    data : the top-level mapping; empty where the file could not be read
    lines : path of a value -> 1-based line
    faults : what is wrong with the file as YAML; empty if it could be read
    sha256 : of the file's bytes
    """

    file: str
    data: dict[str, Any]
    lines: dict[Place, int]
    faults: tuple[Fault, ...] = ()
    sha256: str = ""

    def at(self, path: Place) -> Any:
        """The value at a path; None where there is none."""
        value: Any = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def line(self, path: Place) -> int | None:
        """The line of the value at a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def fault(self, path: Place, found: str, expected: str, nearest: str | None = None) -> Fault:
        """A fault at a path of this file."""
        return Fault(self.file, self.line(path), spell(path), found, expected, nearest)

    def wrong(self, path: Place, expected: str, nearest: str | None = None) -> Fault:
        """A fault whose `found` is the value that stands at the path."""
        return self.fault(path, show(self.at(path)), expected, nearest)


def read_yaml(path: Path, cure: str) -> Document:
    """Read one YAML file whose top level is a mapping.

    Parameters
    ----------
    path : the file
    cure : what to do when it is missing

    Returns
    -------
    Document, with `faults` where the file is missing, is not text, is not YAML, repeats a key or is not a mapping.
    Lists arrive as tuples, keys always as the text that was written.
    """
    name = path.as_posix()
    try:
        raw = path.read_bytes()
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"a file that cannot be read ({error.strerror})"
        return Document(name, {}, {}, (Fault(name, None, "", found, cure),))
    digest = hashlib.sha256(raw).hexdigest()
    if len(raw) > MAX_BYTES:
        return Document(name, {}, {}, (Fault(name, None, "", f"{len(raw):,} bytes", f"a file of at most {MAX_BYTES:,} bytes"),), digest)
    try:
        node = yaml.compose(raw.decode("utf-8-sig"), Loader=_Loader)
        reader = _Reader(name)
        data = reader.value(node, ()) if node is not None else None
        faults = tuple(reader.faults)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        return Document(name, {}, {}, (_unreadable(name, raw, error),), digest)
    if not isinstance(data, dict):
        found = "an empty file" if data is None else f"{show(data)} at the top"
        faults = (*faults, Fault(name, 1, "", found, "expected lines of `key: value`"))
        data = {}
    return Document(name, data, reader.lines, faults, digest)


def spell(path: Place) -> str:
    """A path as people write it.

    >>> spell(("metrics", "nps", "profiles", 0, "when"))
    'metrics.nps.profiles[0].when'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def show(value: Any) -> str:
    """What stands in the file, on one short line.

    >>> show("higer"), show(None), show({"a": 1}), show(3)
    ("'higer'", 'nothing', 'a mapping', '3')
    """
    if value is None or isinstance(value, dict | tuple):
        return "nothing" if value is None else "a mapping" if isinstance(value, dict) else "a list"
    text = repr(without_passwords(value)) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[-1]}"


def _unreadable(name: str, raw: bytes, error: Exception) -> Fault:
    """The one fault of a file that is not YAML."""
    if isinstance(error, UnicodeDecodeError):
        utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        line = None if utf16 else raw[: error.start].count(b"\n") + 1
        return Fault(name, line, "", "UTF-16 text" if utf16 else "bytes that are not UTF-8 text", "save the file as UTF-8")
    if isinstance(error, ReaderError):
        line = raw.decode("utf-8-sig")[: error.position].count("\n") + 1
        return Fault(name, line, "", f"the control character number {error.character}", "remove it: YAML allows no control characters")
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.context, error.problem)))
        tab = " (a tab; YAML indents with spaces)" if "'\\t'" in problem else ""
        return Fault(name, mark.line + 1 if mark else None, "", f"text that is not YAML: {problem}{tab}", "mend it near this line")
    return Fault(name, None, "", "values nested too deeply", "flatten the file")


class _Reader:
    """Turns PyYAML's nodes into values, noting lines and faults on the way."""

    def __init__(self, file: str):
        self.file, self.lines, self.faults = file, {}, []
        self.count, self.open = 0, set()

    def fault(self, node: yaml.Node, path: Place, found: str, expected: str) -> None:
        """Note what is wrong at a node."""
        self.faults.append(Fault(self.file, node.start_mark.line + 1, spell(path), found, expected))

    def value(self, node: yaml.Node, path: Place) -> Any:
        """The value of a node; a node that holds itself, or one too many, reads as None with a fault."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        self.count += 1
        if id(node) in self.open:
            self.fault(node, path, "an anchor that contains itself", "write the value out")
            return None
        if self.count > MAX_NODES:
            if self.count == MAX_NODES + 1:
                self.fault(node, path, f"more than {MAX_NODES} values", "a smaller file with fewer repeated anchors")
            return None
        self.open.add(id(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (f"{TAG}map", f"{TAG}seq"):
            self.fault(node, path, f"the tag {node.tag}", "plain text, numbers, lists and mappings only")
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return tuple(self.value(item, (*path, i)) for i, item in enumerate(node.value))
            return self.scalar(node.tag.removeprefix(TAG), str(node.value), node, path)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, Any]:
        """Own keys first, then those merged in with `<<`; of a repeated key the first counts."""
        result: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(key, path, "a key that is not text", "expected `key: value`")
            elif key.tag == TAG + "merge":
                merged += self.merge(item, path)
            elif key.value in result:
                first = self.lines[(*path, key.value)]
                self.fault(key, (*path, key.value), f"the same key again (first on line {first})", "keep one of the two")
            else:
                self.lines[(*path, key.value)] = key.start_mark.line + 1
                result[key.value] = self.value(item, (*path, key.value))
        for other in merged:
            result = {**other, **result}
        return result

    def merge(self, node: yaml.Node, path: Place) -> Iterator[dict[str, Any]]:
        """The mappings a `<<` brings in."""
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value(item, path)
            if isinstance(value, dict):
                yield value
            else:
                self.fault(item, path, "`<<` with something that is not a mapping", "merge a mapping, or leave it out")

    def scalar(self, kind: str, text: str, node: yaml.Node, path: Place) -> Any:
        """Text, number, true/false, date or None."""
        try:
            match kind:
                case "str" | "merge":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text.replace("_", ""))
                case "float":
                    return float(text.replace(".inf", "inf").replace(".nan", "nan"))
                case "timestamp":
                    return date.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fault(node, path, show(text), "expected a day that exists" if kind == "timestamp" else "expected a number")
            return None
        self.fault(node, path, f"the tag {node.tag}", "plain text, numbers, lists and mappings only")
        return None
