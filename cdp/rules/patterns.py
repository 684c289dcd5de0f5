"""Regular expressions: a checked subset that means the same everywhere and cannot run away.

Literals, `.`, classes, `\\d \\w \\s` as ASCII, groups, `|`, `* + ? {m,n}` up to 100 and not nested, `^ $`. Written for
PostgreSQL without captures, which leaves its engine a plain automaton: linear in the text.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

MAX_REPEATS = 100
CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\u0020\u0009\u000A\u000B\u000C\u000D"}
REPEAT = re.compile(r"\{(\d{1,3})(?:(,)(\d{1,3})?)?\}")


class PatternError(ValueError):
    """A pattern outside the subset, with the place in it."""


def to_postgres(pattern: str) -> str:
    """The pattern for PostgreSQL's `~`. Raises PatternError, which says what is wrong and where."""
    return _Reader(pattern).read()


class _Reader:
    """Recursive descent over one pattern; `place` is the next character."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.place = 0

    def read(self) -> str:
        written, _repeats = self.alternatives()
        if self.place < len(self.pattern):
            raise self.error(_("a closing bracket without an opening one"))
        return written

    def error(self, message: str, *, n_back: int = 0) -> PatternError:
        """Of the next character, or of one that was taken, so many back."""
        place = self.place + 1 - n_back
        return PatternError(
            _("%(message)s, at character %(place)d of the pattern") % {"message": message, "place": place}
        )

    @property
    def next(self) -> str:
        """The next character, or "" at the end."""
        return self.pattern[self.place : self.place + 1]

    def take(self) -> str:
        character = self.next
        self.place += len(character)
        return character

    def alternatives(self) -> tuple[str, bool]:
        """`a|b|c` to the end or a closing bracket, and whether anything in it is repeated."""
        written, has_repeat = self.sequence()
        while self.next == "|":
            self.take()
            branch, branch_repeats = self.sequence()
            written, has_repeat = f"{written}|{branch}", has_repeat or branch_repeats
        return written, has_repeat

    def sequence(self) -> tuple[str, bool]:
        parts, has_repeat = [], False
        while self.next and self.next not in "|)":
            is_anchor = self.next in "^$"
            atom, atom_repeats = self.atom()
            repeat = self.repeat()
            if repeat and is_anchor:
                raise self.error(_("^ and $ cannot be repeated"), n_back=len(repeat))
            if repeat and atom_repeats:
                raise self.error(_("a repeated group must not hold a repeat"), n_back=len(repeat))
            parts.append(atom + repeat)
            has_repeat = has_repeat or atom_repeats or bool(repeat)
        return "".join(parts), has_repeat

    def repeat(self) -> str:
        """`*`, `+`, `?`, `{m}`, `{m,}` or `{m,n}` after an atom, or ""."""
        if self.next and self.next in "*+?":
            written = self.take()
        elif self.next == "{":
            written = self.counted()
        else:
            return ""
        if self.next and self.next in "*+?{":
            raise self.error(_("a repeat must not be repeated"))
        return written

    def counted(self) -> str:
        found = REPEAT.match(self.pattern, self.place)
        if found is None:
            raise self.error(_("a repeat is written {m}, {m,} or {m,n}, and a brace itself \\{"))
        counts = [int(count) for count in found.group(1, 3) if count]
        if max(counts) > MAX_REPEATS or counts != sorted(counts):
            raise self.error(_("a repeat counts from a smaller to a greater number, up to 100"))
        self.place = found.end()
        return found.group()

    def atom(self) -> tuple[str, bool]:
        if self.next in "*+?{":
            raise self.error(_("a repeat with nothing before it"))
        character = self.take()
        match character:
            case "(":
                return self.group()
            case "[":
                return self.character_class(), False
            case "\\":
                return self.escaped(in_class=False), False
            case "." | "^" | "$":
                return character, False
            case _literal:
                return literal(character), False

    def group(self) -> tuple[str, bool]:
        if self.next == "?":
            raise self.error(_("groups with (? are not known"))
        written, has_repeat = self.alternatives()
        if self.take() != ")":
            raise self.error(_("a group that is not closed"))
        return f"(?:{written})", has_repeat

    def escaped(self, *, in_class: bool) -> str:
        """What follows a backslash."""
        character = self.take()
        if character in CLASSES:
            return CLASSES[character] if in_class else f"[{CLASSES[character]}]"
        if not character or character.isalnum() or not character.isascii():
            raise self.error(_("after a backslash stands d, w, s or a punctuation mark"), n_back=len(character))
        return literal(character)

    def character_class(self) -> str:
        is_denied = self.next == "^" and bool(self.take())
        parts: list[str] = []
        while self.next != "]" or not parts:
            if not self.next or self.next in "[]":
                raise self.error(_("a class that is empty, not closed, or holds a bracket without a backslash"))
            parts.append(self.class_item())
        self.take()
        return f"[{'^' if is_denied else ''}{''.join(parts)}]"

    def class_item(self) -> str:
        """A character, a range or an escape inside a class."""
        first, first_code = self.class_character()
        is_range = self.next == "-" and self.pattern[self.place + 1 : self.place + 2] not in ("", "]")
        if not is_range:
            return first
        self.take()
        last, last_code = self.class_character()
        if first_code is None or last_code is None or first_code > last_code:
            raise self.error(_("a range runs from a smaller to a greater character"), n_back=1)
        return f"{first}-{last}"

    def class_character(self) -> tuple[str, int | None]:
        """One character and its code; a class such as `\\d` has none."""
        character = self.take()
        if character != "\\":
            return literal(character), ord(character)
        code = None if self.next in CLASSES else ord(self.next or " ")
        return self.escaped(in_class=True), code


def literal(character: str) -> str:
    """The character itself, where need be by its code, which is safe inside classes too."""
    return character if character.isalnum() else f"\\U{ord(character):08X}"
