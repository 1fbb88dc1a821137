"""The request of a declared tool, filled in.

In:   the declaration, checked arguments, what the call knows of itself, secrets.     Out: one request, to be sent.
Rule: a value is escaped by the grammar of its place, so it cannot become anything but a value: never another host, a
      further segment of the path, a second header, a new field of the body.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import httpx2

from client_caller.errors import ToolFailed
from client_caller.tools.arguments import plain
from client_caller.tools.declared import WITH_BODY, DeclaredTool, split_url
from client_caller.tools.placeholders import Slot, parts_of


def filled_request(
    declared: DeclaredTool,
    context: Mapping[str, str],
    arguments: Mapping[str, Any],
    secrets: Mapping[str, str],
    key: str,
) -> httpx2.Request:
    """The whole request; `key` is its Idempotency-Key if it changes something.

    Raises ToolFailed when something that its address needs is not known, or a value cannot stand where it belongs.
    """
    return _Filler(declared, context, arguments, secrets).request(key)


class _Filler:
    """Fills the places of one request."""

    def __init__(
        self,
        declared: DeclaredTool,
        context: Mapping[str, str],
        arguments: Mapping[str, Any],
        secrets: Mapping[str, str],
    ) -> None:
        self._declared = declared
        self._arguments = {name: _json_value(value) for name, value in arguments.items()}
        own = {parameter.name for parameter in declared.parameters}
        known = {name: value for name, value in context.items() if value and name not in own}
        self._values: dict[str, Any] = {**known, **self._arguments}
        self._secrets = secrets

    def request(self, key: str) -> httpx2.Request:
        """The whole request. Raises ToolFailed when something that its address needs is not known."""
        declared = self._declared
        headers = [(b"Accept", b"application/json, text/plain"), (b"Accept-Encoding", b"identity")]
        headers += [(name.encode("ascii"), value) for name, value in self._headers()]
        if not declared.only_reads:
            headers.append((b"Idempotency-Key", key.encode("ascii")))
        content = None
        if declared.method in WITH_BODY:
            body = self._body(declared.body) if declared.body else self._arguments
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
            headers.append((b"Content-Type", b"application/json"))
        try:
            return httpx2.Request(declared.method, self._url(), headers=headers, content=content)
        except httpx2.InvalidURL:
            raise ToolFailed(f"{declared.name} was not called: these arguments make no address.") from None

    def _url(self) -> str:
        declared = self._declared
        split = split_url(declared.url)
        path = "/".join(self._segment(segment) for segment in split.path.split("/"))
        pairs = [tuple(pair.partition("=")[::2]) for pair in split.query.split("&") if pair]
        query = [
            f"{name if from_url else quote(name, safe='')}={value}"
            for from_url, given in ((True, pairs), (False, declared.query.items()))
            for name, template in given
            if (value := self._escaped(template, literal_as_is=from_url)) is not None
        ]
        return f"{split.scheme}://{split.netloc}{path or '/'}{'?' if query else ''}{'&'.join(query)}"

    def _segment(self, template: str) -> str:
        """One segment of the path. What is filled in stays within it, and is not taken for "here" or "above"."""
        parts = parts_of(template)
        if not any(isinstance(part, Slot) for part in parts):
            return "".join(str(part) for part in parts)
        for part in parts:
            if isinstance(part, Slot) and not as_text(self._values.get(part.name)):
                raise ToolFailed(f"{self._declared.name} was not called: {part.name} is not known.")
        whole = "".join(as_text(self._values.get(part.name)) if isinstance(part, Slot) else part for part in parts)
        if {".", ".."} & set(re.split(r"[/\\]", unquote(whole))):
            names = ", ".join(part.name for part in parts if isinstance(part, Slot))
            raise ToolFailed(f"{self._declared.name} was not called: {names} must not be a path.")
        return "".join(
            quote(as_text(self._values[part.name]), safe="") if isinstance(part, Slot) else part for part in parts
        )

    def _escaped(self, template: str, literal_as_is: bool) -> str | None:
        """A value of the query; None when it is nothing but a placeholder whose value is not known."""
        parts = parts_of(template)
        if len(parts) == 1 and isinstance(parts[0], Slot) and self._value(parts[0]) is None:
            return None
        return "".join(
            quote(as_text(self._value(part)), safe="")
            if isinstance(part, Slot)
            else (part if literal_as_is else quote(part, safe=""))
            for part in parts
        )

    def _headers(self) -> Iterator[tuple[str, bytes]]:
        for name, template in self._declared.headers.items():
            parts = parts_of(template)
            if len(parts) == 1 and isinstance(parts[0], Slot) and self._value(parts[0]) is None:
                continue
            value = "".join(as_text(self._value(part)) if isinstance(part, Slot) else part for part in parts)
            if re.search(r"[\x00-\x1f\x7f]", value):
                raise ToolFailed(f"{self._declared.name} was not called: what belongs into {name} is not one line.")
            yield name, value.strip().encode("utf-8")

    def _body(self, value: Any) -> Any:
        """A JSON value with its texts filled; what is nothing but a placeholder without value is left out."""
        if isinstance(value, str):
            parts = parts_of(value)
            if len(parts) == 1 and isinstance(parts[0], Slot):
                return self._values.get(parts[0].name)
            return "".join(as_text(self._values.get(part.name)) if isinstance(part, Slot) else part for part in parts)
        if isinstance(value, Mapping):
            filled = {name: (one, self._body(one)) for name, one in value.items()}
            return {name: new for name, (old, new) in filled.items() if new is not None or old is None}
        if isinstance(value, Sequence):
            return [new for old in value if (new := self._body(old)) is not None or old is None]
        return value

    def _value(self, slot: Slot) -> Any:
        return self._secrets[slot.secret] if slot.secret else self._values.get(slot.name)


def _json_value(value: Any) -> Any:
    """An argument as JSON has it: dates as texts, 4.0 as 4."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | int | float) else plain(value)


def as_text(value: Any) -> str:
    """A JSON value in the midst of a text; nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
