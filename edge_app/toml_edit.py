"""Changes single values of a TOML text; everything else stays: comments, order, spelling. Text in, text out.

A new key takes the place of the comment that shows it as an example, `# exposure_us = 2000`, where its table has one;
else it comes after the table's last key. What comes out is parsed and held against what was asked for.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from edge_app.errors import ConfigError

Place = tuple[str | int, ...]
"""Where a value stands: names of tables, a number for one of `[[several]]`, and its key."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?\s*(#.*)?$")


def edited(text: str, changes: Mapping[Place, Any]) -> str:
    """The text with other values.

    Args:
        text: valid TOML.
        changes: plain values by place; None removes. A table as a value takes the place of a whole table.

    Raises:
        ConfigError: the text cannot take it; that is for a person with an editor.
    """
    for place, value in _flat(changes, tomllib.loads(text)):
        text = _with(text, place, value)
    return text


def value_at(content: Any, place: Place) -> Any:
    """The plain value at a place; None where there is none."""
    for step in place:
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _flat(changes: Mapping[Place, Any], content: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    # A table key by key, so that the comments in it stay.
    for place, value in changes.items():
        if isinstance(value, Mapping):
            was = value_at(content, place)
            for key in [*(was if isinstance(was, dict) else {}), *(key for key in value if key not in (was or {}))]:
                yield (*place, key), value.get(key)
        else:
            yield place, value


def _with(text: str, place: Place, value: Any) -> str:
    before = tomllib.loads(text)
    if value_at(before, place) == value and type(value_at(before, place)) is type(value):
        return text
    expected = _plain(before, place, value)
    for candidate in _candidates(text, place, value, value_at(before, place) is not None):
        try:
            if tomllib.loads(candidate) == expected:
                return candidate
        except tomllib.TOMLDecodeError:
            continue
    shown = ".".join(map(str, place))
    raise ConfigError(f"{shown} cannot be changed in the way this file is written; change it with an editor")


def _plain(content: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(content)
    table: Any = changed
    for step in place[:-1]:
        table = table.setdefault(step, {}) if isinstance(step, str) else table[step]
    if value is None:
        table.pop(place[-1], None)
    else:
        table[place[-1]] = value
    return changed


def _candidates(text: str, place: Place, value: Any, is_there: bool) -> Iterator[str]:
    # Not before somebody changes something: every start would wait for it.
    import tomlkit
    import tomlkit.exceptions

    if value is not None and not is_there:
        yield from _inserted(text, place, value)
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for step in place[:-1]:
            if isinstance(step, str) and step not in table:
                table[step] = tomlkit.table()
            table = table[step]
        if value is None:
            del table[place[-1]]
        else:
            table[place[-1]] = value
        yield tomlkit.dumps(document)
    except (tomlkit.exceptions.TOMLKitError, KeyError, TypeError):
        return


def _inserted(text: str, place: Place, value: Any) -> Iterator[str]:
    """The text with one line more, at the places where it would look best, the best first; they may be wrong."""
    import tomlkit

    key, line = str(place[-1]), f"{place[-1]} = {tomlkit.item(value).as_string()}"
    lines = text.splitlines()
    mine = [number for number, section in enumerate(_sections(lines)) if section == place[:-1]]
    example = re.compile(rf"^\s*#\s*{re.escape(key)}\s*=[^#]*(?P<rest>#.*)?$")
    for number in mine:
        if found := example.match(lines[number]):
            rest = f"  {found['rest']}" if found["rest"] else ""
            yield _joined(text, [*lines[:number], line + rest, *lines[number + 1 :]])
    for number in reversed(mine):
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            yield _joined(text, [*lines[: number + 1], line, *lines[number + 1 :]])


def _sections(lines: list[str]) -> Iterator[Place]:
    """Of each line the table it stands in; a header stands in its own."""
    section: Place = ()
    counts: dict[str, int] = {}
    for line in lines:
        if found := _HEADER.match(line):
            names = found[2].split(".")
            if found[1] == "[[":
                counts[found[2]] = counts.get(found[2], -1) + 1
            steps: list[str | int] = []
            for depth, name in enumerate(names, 1):
                steps.append(name)
                if (path := ".".join(names[:depth])) in counts:
                    steps.append(counts[path])
            section = tuple(steps)
        yield section


def _joined(text: str, lines: list[str]) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    return end.join(lines) + end
