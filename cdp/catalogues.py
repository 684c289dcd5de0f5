"""The catalogues of translations: extracted and merged by Babel alone, with no gettext binaries.

`manage.py update_catalogues` (`make messages`) reads every string of our code and templates, and those of Unfold, whose
wheel has no simplified Chinese. Strings that Django translates itself stay out, unless ours have words of their own.
`make` compiles the `.po` files with `pybabel compile`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

SOURCE_LANGUAGE = "en"
OUR_FOLDERS = ("cdp", "profiles", "tags", "segments", "campaigns", "demo", "templates")
UNFOLD = Path(unfold.__file__).parent
UNFOLD_FOLDERS = (UNFOLD / "templates", UNFOLD / "contrib" / "filters", UNFOLD / "mixins", *UNFOLD.glob("*.py"))
KEYWORDS = (
    "_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy",
    "pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One string to translate: its id, or (singular, plural), its context, and the file that it came from."""

    id: str | tuple[str, str]
    context: str | None
    place: str


def our_strings() -> Iterator[Found]:
    """Strings of our own code and templates."""
    for name in OUR_FOLDERS:
        yield from strings_below(settings.BASE_DIR / name, relative_to=settings.BASE_DIR)


def unfold_strings() -> Iterator[Found]:
    """Strings of Unfold's templates and code, as far as the admin can show them."""
    for path in UNFOLD_FOLDERS:
        yield from strings_below(path, relative_to=UNFOLD.parent)


def strings_below(path: Path, *, relative_to: Path) -> Iterator[Found]:
    """Strings of one file, or of all Python and HTML files below a folder."""
    files = [path] if path.is_file() else sorted([*path.rglob("*.py"), *path.rglob("*.html")])
    for file in files:
        text = file.read_text(encoding="utf-8")
        source = text if file.suffix == ".py" else as_python(text)
        calls = extract_python(io.BytesIO(source.encode()), dict.fromkeys(KEYWORDS), [], {"encoding": "utf-8"})
        for _line, function, messages, _comments in calls:
            found = as_found(str(function), messages, place=str(file.relative_to(relative_to)))
            if found is not None:
                yield found


def as_python(template: str) -> str:
    """A template as Python that calls gettext; without indentation, which the tokenizer would object to."""
    return "\n".join(line.lstrip() for line in templatize(template).splitlines())


def as_found(function: str, messages: object, *, place: str) -> Found | None:
    """What one call says; None where it is no string to translate, such as a variable."""
    arguments: list[Any] = list(messages) if isinstance(messages, list | tuple) else [messages]
    has_context = function.startswith(("pgettext", "npgettext"))
    context = arguments.pop(0) if has_context and arguments else None
    n_strings = 2 if function.startswith(("ngettext", "npgettext")) else 1
    strings = arguments[:n_strings]
    if len(strings) < n_strings or not all(isinstance(text, str) and text for text in strings):
        return None
    key = strings[0] if n_strings == 1 else (strings[0], strings[1])
    return Found(key, context, place)


def catalogue_path(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / to_locale(language) / "LC_MESSAGES" / "django.po"


def read_catalogue(language: str) -> Catalog:
    """The catalogue as it is in the repository, an empty one where there is none."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(
            locale=to_locale(language),
            project="Strata",
            version="1",
            header_comment="# The words of Strata. `make messages` adds what is new; write what it leaves empty.",
            msgid_bugs_address="-",
            last_translator="Strata",
            language_team="Strata",
            fuzzy=False,
        )
    with path.open("rb") as file:
        return read_po(file, locale=to_locale(language))


def update_catalogue(language: str, strings: list[Found]) -> tuple[int, int]:
    """Add what is new, drop what is gone, keep what is translated. Returns how many, and how many lack words."""
    template = Catalog(project="Strata", fuzzy=False)
    for found in strings:
        template.add(found.id, locations=[(found.place, 0)], context=found.context)
    catalogue = read_catalogue(language)
    template.creation_date = catalogue.creation_date  # else every run changes the file
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    supplied = words_of_django(language)
    for message in list(catalogue):
        if message.id and not is_translated(message.string) and key_of(message.id, message.context) in supplied:
            catalogue.delete(message.id, message.context)
    path = catalogue_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, sort_output=True, ignore_obsolete=True, include_lineno=False)
    messages = [message for message in catalogue if message.id]
    return len(messages), sum(not is_translated(message.string) for message in messages)


def words_of_django(language: str) -> set[tuple[str | None, str]]:
    """Context and id of each string that Django's own catalogues translate."""
    words = set()
    for path in Path(django.__file__).parent.glob(f"**/locale/{to_locale(language)}/LC_MESSAGES/django.mo"):
        with path.open("rb") as file:
            words |= {key_of(message.id, message.context) for message in read_mo(file) if is_translated(message.string)}
    return words


def key_of(message_id: object, context: str | None) -> tuple[str | None, str]:
    """A string by its singular, which is unique in a catalogue."""
    return context, message_id[0] if isinstance(message_id, list | tuple) else str(message_id)


def is_translated(string: object) -> bool:
    """Whether every form has words."""
    forms = string if isinstance(string, list | tuple) else [string]
    return all(forms)
