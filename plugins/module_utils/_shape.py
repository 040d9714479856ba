# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether JSON that somebody recorded has the shape of a type of _types.py, or of an example.

The types are read as text: their `X | None` is no expression in Python 3.9.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, ForwardRef, Union, get_args, get_origin

_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "bool": (bool,), "float": (int, float), "None": (type(None),),
}  # fmt: skip
_GENERIC = re.compile(r"(list|dict)\[(.*)\]", re.DOTALL)


def fits(value: Any, like: Any) -> bool:
    """Whether a value is of the type `like` (Disk, dict[str, PortFacts], Optional[int]), or like the example `like`.

    In an example None stands for any scalar or None, the one element of a list for all, a dict without keys for any.
    """
    if like is Any or isinstance(like, (type, ForwardRef)) or get_origin(like):  # Any is a type since Python 3.11
        return _is(value, like, {})
    if isinstance(like, Mapping):
        return isinstance(value, dict) and (
            not like or (like.keys() == value.keys() and all(fits(value[key], part) for key, part in like.items()))
        )
    if isinstance(like, list):
        return isinstance(value, list) and all(fits(each, like[0] if like else None) for each in value)
    if like is None:
        return value is None or isinstance(value, (str, int, float))
    return value.__class__ is like.__class__ or (isinstance(like, float) and value.__class__ is int)


def _is(value: Any, hint: Any, names: Mapping[str, Any]) -> bool:
    """`names` are those of the module that the hint stands in."""
    if isinstance(hint, ForwardRef):
        return _is_text(value, hint.__forward_arg__, names)
    if isinstance(hint, str):
        return _is_text(value, hint, names)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Union:
        return any(_is(value, part, names) for part in parts)
    if origin is list:
        return isinstance(value, list) and all(_is(each, parts[0], names) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(each, parts[1], names) for each in value.values())
    if hint is Any:
        return True
    if hasattr(hint, "__total__"):  # a TypedDict
        hints, names = hint.__annotations__, vars(sys.modules[hint.__module__])
        return (
            isinstance(value, dict)
            and value.keys() == hints.keys()
            and all(_is(value[key], part, names) for key, part in hints.items())
        )
    return type(value) in _PLAIN.get("None" if hint in (None, type(None)) else hint.__name__, ())


def _is_text(value: Any, text: str, names: Mapping[str, Any]) -> bool:
    parts = _alternatives(text)
    if len(parts) > 1:
        return any(_is_text(value, part, names) for part in parts)
    text = text.strip()
    if text in _PLAIN:
        return type(value) in _PLAIN[text]
    generic = _GENERIC.fullmatch(text)
    if generic and generic[1] == "list":
        return isinstance(value, list) and all(_is_text(each, generic[2], names) for each in value)
    if generic:
        part = generic[2].partition(",")[2]
        return isinstance(value, dict) and all(_is_text(each, part, names) for each in value.values())
    return _is(value, names[text], names)


def _alternatives(text: str) -> list[str]:
    """The parts between the bars that stand in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "[") - (char == "]")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts
