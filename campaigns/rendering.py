"""Liquid templates into messages. A missing value has a default or stops the message; it never prints nothing silently.

Templates see `profile` (attributes by key), `tier` (`key`, `name`, `benefits`), `tags` (value key, or true) and
`scores` (by model, then field). In conditions a missing value is false, as in rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from html.parser import HTMLParser
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError, OutputStreamLimitError, UndefinedError
from liquid.undefined import FalsyStrictUndefined, is_undefined

from campaigns.liquid_errors import explain

VARIABLES = frozenset({"profile", "tier", "tags", "scores"})
MAX_OUTPUT_CHARS = 500_000
MAX_LOOP_ITERATIONS = 10_000
MAX_RANGE = 10_000
ATTRIBUTE = re.compile(r"profile(?:\.(?P<plain>[^.\[\]]+)|\['(?P<quoted>.+)'\])")  # as the error names it
MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


class TemplateError(ValueError):
    """A template that cannot be used. `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(
            _("Line %(line)s, character %(column)s: %(message)s") % {"line": line, "column": column, "message": message}
        )


class MissingValueError(Exception):
    """The template prints `variable`, which this person does not have, without a default."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(variable)


class RenderError(Exception):
    """The template stopped for this person: a limit was passed, or a filter does not fit the value."""


@dataclass(frozen=True)
class Rendered:
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Variable:
    """A variable that a template reads, such as `profile.name`; a part of its path that is computed is None."""

    root: str
    path: tuple[str | None, ...]
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return self.text


class _Environment(Environment):
    loop_iteration_limit = MAX_LOOP_ITERATIONS
    local_namespace_limit = MAX_OUTPUT_CHARS
    output_stream_limit = MAX_OUTPUT_CHARS

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=FalsyStrictUndefined)
        for tag in ("include", "render"):  # there is nothing to include
            del self.tags[tag]
        del self.filters["safe"]  # what people say of themselves is never markup
        for name, function in self.filters.items():
            if name != "default":
                self.filters[name] = _guarded(function)


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that refuses missing values (`date` and `plus` would print something) and values without bound."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for argument in args:
            if is_undefined(argument):
                str(argument)  # raises
            if isinstance(argument, range) and len(argument) > MAX_RANGE:
                raise OutputStreamLimitError(f"a range of more than {MAX_RANGE} numbers", token=None)
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > MAX_OUTPUT_CHARS:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return result

    return guarded


HTML = _Environment(autoescape=True)
PLAIN = _Environment(autoescape=False)  # subjects are no HTML: "Ann & Bob" stays as it is


def check_template(source: str) -> None:
    """Raises TemplateError: bad syntax, an unknown filter, or a variable that no template sees."""
    template = _compile(source, html=True)
    found = template.analyze()
    for name, spans in found.filters.items():
        if name not in HTML.filters:
            raise _error_at(source, spans[0].index, _("unknown filter “%(name)s”") % {"name": name})
    for name, variables in found.globals.items():
        if name not in VARIABLES:
            raise _error_at(
                source,
                variables[0].span.index,
                _("unknown variable “%(name)s”; there are: %(known)s")
                % {"name": name, "known": ", ".join(sorted(VARIABLES))},
            )


def variables_of(source: str) -> Iterator[Variable]:
    """Every use of a variable from outside, in the order of the template. Raises TemplateError."""
    uses = [use for found in _compile(source, html=True).analyze().globals.values() for use in found]
    for use in sorted(uses, key=lambda use: use.span.index):
        line, column = _place(source, use.span.index)
        root, *path = use.segments
        parts = tuple(part if isinstance(part, str) else None for part in path)
        yield Variable(str(root), parts, line, column, str(use))


def validate_template(source: str) -> None:
    """The same for model fields, and so for forms and serializers."""
    try:
        check_template(source)
    except TemplateError as error:
        raise ValidationError(str(error)) from error


def needed_attributes(source: str) -> frozenset[str]:
    """The attributes without which a template that compiles prints nothing: missing, and neither defaulted nor tested.

    It is rendered for somebody who has none, then with a value for each that stopped it. What it needs of scores and
    tags is not told, nor what comes behind such a value.
    """
    needed: dict[str, str] = {}
    tier = {"key": "1", "name": "1", "benefits": "1"}
    while True:
        try:
            _render(source, {"profile": needed, "tier": tier, "tags": {}, "scores": {}}, html=True)
        except MissingValueError as error:
            found = ATTRIBUTE.fullmatch(error.variable)
            key = found and (found["plain"] or found["quoted"])
            if not key or key in needed:
                break
            needed[key] = "1"
        except RenderError:  # a filter that the value does not suit
            break
        else:
            break
    return frozenset(needed)


def render(*, subject: str, body: str, context: Mapping[str, Any]) -> Rendered:
    """The message that `context` makes of two templates; what is missing must be left out of it (`present`).

    Raises:
        MissingValueError: it prints a value that is missing and has no default.
        RenderError: anything else that stops it, a syntax error included.
    """
    html = _render(body, context, html=True)
    return Rendered(subject=" ".join(_render(subject, context, html=False).split()), html=html, text=text_of(html))


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not missing: null, empty text and empty lists are left out, at every level of objects."""
    return {
        key: present(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None and value != "" and value != []
    }


def text_of(html: str) -> str:
    """The plain text that a mail program without HTML shows: blocks on lines of their own, links with their address."""
    extractor = _TextOf()
    extractor.feed(html)
    extractor.close()
    return extractor.text()


@lru_cache(maxsize=256)
def _compile(source: str, *, html: bool) -> BoundTemplate:
    try:
        return (HTML if html else PLAIN).from_string(source)
    except LiquidError as error:
        index = error.token.start_index if error.context() and error.token else _place_of(source, str(error.message))
        raise _error_at(source, index, explain(str(error.message))) from error


def _render(source: str, context: Mapping[str, Any], *, html: bool) -> str:
    try:
        return _compile(source, html=html).render(**context)
    except UndefinedError as error:
        raise MissingValueError(str(error.message).removesuffix(" is undefined").strip("'")) from error
    except TemplateError as error:
        raise RenderError(str(error)) from error
    except LiquidError as error:
        raise RenderError(str(error.message)) from error
    except (ArithmeticError, TypeError, ValueError) as error:  # a filter that did not expect this value
        raise RenderError(f"{type(error).__name__}: {error}") from error


def _error_at(source: str, index: int, message: str) -> TemplateError:
    line, column = _place(source, index)
    return TemplateError(message, line=line, column=column)


def _place(source: str, index: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    before = source[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _place_of(source: str, message: str) -> int:
    """Where an error lies whose place the parser does not tell: the tag from which on every beginning has it."""
    place = 0
    for found in reversed(list(MARKUP.finditer(source))):
        if _message_of(source[: found.end()]) != message:
            break
        place = found.start()
    return place


def _message_of(source: str) -> str:
    try:
        HTML.from_string(source)
    except LiquidError as error:
        return str(error.message)
    return ""


class _TextOf(HTMLParser):
    BLOCKS = frozenset({"p", "div", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"})
    LINES = frozenset({"br", "li"})
    SILENT = frozenset({"script", "style", "head", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent = 0
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SILENT:
            self._silent += 1
        elif tag in self.BLOCKS:
            self._parts.append("\n\n")
        elif tag in self.LINES:
            self._parts.append("\n- " if tag == "li" else "\n")
        elif tag == "a":
            self._href = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self.BLOCKS:
            self._parts.append("\n\n")
        elif tag == "a" and self._href:
            self._parts.append(f" ({self._href})")
            self._href = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(re.sub(r"\s+", " ", data))

    def text(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self._parts).splitlines()]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
