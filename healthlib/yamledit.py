"""Edits to the text of a YAML file that touch only the tokens concerned: comments, order, quoting and layout stay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from healthlib.errors import HealthlibError

Place = tuple[str | int, ...]
Value = float | Mapping[float, float] | None
"""What can be written: a number, numbers by number (a curve), or nothing at all (`~`)."""


class _Loader(yaml.SafeLoader):
    """Keys are the text that was written, as everywhere in our files: a metric may be called `on` or `7`."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Text of the key -> value."""
        self.flatten_mapping(node)
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}


class EditError(HealthlibError):
    """The layout of the text does not let this be edited in place; the message says why."""


@dataclass
class Edits:
    """A text and the edits collected on it. Ask for each with `put` or `scale`, then take the `result`.

    Attributes
    ----------
    text : as it stands
    wanted : place -> the mapping's keys as they should read afterwards, for the proof
    """

    text: str
    edits: list[tuple[int, int, str]] = field(default_factory=list)
    wanted: list[tuple[Place, dict[str, Any], tuple[str, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root: Any = yaml.compose(self.text, Loader=yaml.SafeLoader)
        self.shared = _shared(self.root)

    def node(self, place: Place) -> Any:
        """The mapping at a place.

        Raises
        ------
        EditError
            Where there is none, or it is shared by an anchor: an edit would change more than is meant.
        """
        found = self.root
        for part in place:
            found = found.value[part] if isinstance(part, int) else dict(_pairs(found)).get(part)
            if found is None or id(found) in self.shared:
                raise EditError("anchors" if found is not None else f"no {part}")
        if not isinstance(found, yaml.MappingNode) or not found.value or any(key.value == "<<" for key, _ in found.value):
            raise EditError("anchors" if isinstance(found, yaml.MappingNode) and found.value else "nothing")
        return found

    def data(self) -> Any:
        """The whole text as plain values."""
        return yaml.load(self.text, Loader=_Loader)  # a safe loader

    def now(self, place: Place) -> dict[str, Any]:
        """The mapping at a place as plain values."""
        return yaml.load(yaml.serialize(self.node(place), Dumper=yaml.SafeDumper), Loader=_Loader) or {}  # a safe loader

    def put(self, place: Place, new: Mapping[str, Value], *, drop: Sequence[str] = ()) -> None:
        """Give keys of the mapping at `place` new values and take out the keys in `drop`; what reads the same already is left alone.

        A new key takes the place of a dropped one, else it stands before the first key of the mapping.
        """
        node, old = self.node(place), self.now(place)
        pairs = dict(_pairs(node))
        gone = [key for key in pairs if key in drop and key not in new]
        added = [f"{key}: {written(value)}" for key, value in new.items() if key not in pairs]
        for key, value in new.items():
            if key in pairs and not same(old.get(key), value):
                self._swap(pairs[key], written(value))
        if not (added or set(gone) < set(pairs)) and gone:
            raise EditError("nothing left")
        if gone and added:
            self._replace_pair(node, gone.pop(0), added)
        elif added:
            first = node.value[0][0].start_mark
            gap = ", " if node.flow_style else self._newline() + " " * first.column
            self.edits.append((first.index, first.index, "".join(item + gap for item in added)))
        for key in gone:
            self._remove_pair(node, key)
        changed = {key: value for key, value in new.items() if key not in old or not same(old[key], value)}
        kept = {key: {written(at): points for at, points in value.items()} if isinstance(value, Mapping) else value
                for key, value in changed.items()}  # fmt: skip
        self.wanted.append((place, kept, tuple(key for key in drop if key not in new)))

    def result(self) -> str:
        """The text with every edit made.

        Raises
        ------
        EditError
            Where it would not read as the old text with these values and nothing else.
        """
        after = self.text
        for start, end, text in sorted(self.edits, reverse=True):
            after = after[:start] + text + after[end:]
        expected = self.data()
        for place, new, drop in self.wanted:
            target = expected
            for part in place:
                target = target[part]
            target |= new
            for key in drop:
                target.pop(key, None)
        try:
            read = yaml.load(after, Loader=_Loader)  # a safe loader
        except yaml.YAMLError:
            read = None
        if repr(read) != repr(expected) and read != expected:
            raise EditError("an unusual layout")
        return after

    def _swap(self, value: Any, text: str) -> None:
        """Another value in the place of one, with the comments that stood inside it after it."""
        self.edits.append((value.start_mark.index, _end(value), text))

    def _replace_pair(self, node: Any, key: str, added: list[str]) -> None:
        name, value = next((k, v) for k, v in node.value if k.value == key)
        start, end, pad = name.start_mark.index, _end(value), self._newline() + " " * name.start_mark.column
        said = [] if node.flow_style else [pad + comment for comment in _comments(self.text[start:end])]
        self.edits.append((start, end, (", " if node.flow_style else pad).join(added) + "".join(said)))

    def _remove_pair(self, node: Any, key: str) -> None:
        at = next(i for i, (name, _) in enumerate(node.value) if name.value == key)
        name, value = node.value[at]
        if node.flow_style:
            if at:
                start, end = _end(node.value[at - 1][1]), _end(value)
            else:
                start, end = name.start_mark.index, node.value[1][0].start_mark.index
        else:
            start = self.text.rfind("\n", 0, name.start_mark.index) + 1
            end = self.text.find("\n", _end(value)) + 1 or len(self.text)
            if self.text[start : name.start_mark.index].strip():  # `- key: value`: the mark of the list stays
                start, end = name.start_mark.index, node.value[at + 1][0].start_mark.index
        comments = _comments(self.text[start:end])
        pad = " " * name.start_mark.column
        self.edits.append((start, end, "" if node.flow_style else "".join(pad + said + self._newline() for said in comments)))

    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def written(value: Value) -> str:
    """A value as YAML, as short as it can be said.

    >>> written(20.0), written(12.5), written({0: 0, 0.4: 60.0}), written(None)
    ('20', '12.5', '{0: 0, 0.4: 60}', '~')
    """
    if value is None:
        return "~"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(key)}: {written(points)}" for key, points in value.items()) + "}"
    number = float(round(float(value), 10))
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    text = repr(number)
    return text if "e" not in text else f"{number:.12f}".rstrip("0") if abs(number) < 1 else f"{number:.0f}"


def same(old: Any, new: Value) -> bool:
    """Whether what stands in the file reads as the value already."""
    if isinstance(new, Mapping):
        try:
            pairs = sorted((float(key), float(points)) for key, points in old.items())
        except (AttributeError, TypeError, ValueError):
            return False
        return pairs == sorted((float(key), float(points)) for key, points in new.items())
    if new is None or old is None or isinstance(old, bool | dict | list | str):
        return new is None and old is None
    return abs(float(old) - float(new)) <= 1e-9


def _pairs(node: Any) -> list[tuple[str, Any]]:
    return [(key.value, value) for key, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _end(node: Any) -> int:
    """Where a value ends. PyYAML ends a block after the blank lines and comments that follow it; they are not the value's."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _comments(text: str) -> list[str]:
    """The comments inside a piece of text that holds numbers and keys only."""
    return [found.group(1).rstrip() for found in re.finditer(r"(?:^|\s)(#[^\n]*)", text)]


def _shared(root: Any) -> set[int]:
    """Nodes that stand in more than one place: anchors that are used again."""
    seen: dict[int, int] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        seen[id(node)] = seen.get(id(node), 0) + 1
        if seen[id(node)] == 1 and isinstance(node, yaml.CollectionNode):
            waiting += [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return {node for node, times in seen.items() if times > 1}
