"""Nothing that the site shows is left in English for those who read Chinese."""

from __future__ import annotations

import pytest
from django.conf import settings

from cdp.catalogues import (
    SOURCE_LANGUAGE,
    as_python,
    is_translated,
    key_of,
    our_strings,
    read_catalogue,
    strings_below,
    unfold_strings,
    words_of_django,
)

LANGUAGES = [language for language, _name in settings.LANGUAGES if language != SOURCE_LANGUAGE]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_of_ours_and_of_unfold_has_words(language):
    catalogue = read_catalogue(language)
    known = {key_of(message.id, message.context) for message in catalogue if is_translated(message.string)}
    known |= words_of_django(language)

    wanted = {key_of(found.id, found.context): found.place for found in (*our_strings(), *unfold_strings())}

    missing = {key: place for key, place in wanted.items() if key not in known}
    assert missing == {}, "run `make messages`, then write the words that are missing"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_a_guess_or_empty(language):
    messages = [message for message in read_catalogue(language) if message.id]

    assert [message.id for message in messages if message.fuzzy or not is_translated(message.string)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_have_the_places_of_their_originals(language):
    catalogue = read_catalogue(language)

    wrong = [(message.id, str(error)) for message in catalogue if message.id for error in message.check(catalogue)]

    assert wrong == []


def test_strings_are_found_in_code_and_templates(tmp_path):
    (tmp_path / "page.html").write_text(
        "{% load i18n %}\n"
        "  <p>{% translate 'Hello' %}</p>\n"
        "{% blocktranslate trimmed count counter=n %}{{ n }} row{% plural %}{{ n }} rows{% endblocktranslate %}\n"
    )
    (tmp_path / "module.py").write_text('_("Name")\npgettext("month", "May")\n_(variable)\nngettext("a", "b", 1)\n')

    found = {(string.id, string.context, string.place) for string in strings_below(tmp_path, relative_to=tmp_path)}

    assert found == {
        ("Hello", None, "page.html"),
        (("%(n)s row", "%(n)s rows"), None, "page.html"),
        ("Name", None, "module.py"),
        ("May", "month", "module.py"),
        (("a", "b"), None, "module.py"),
    }


def test_indented_templates_can_be_read_as_python():
    assert "gettext" in as_python("<ul>\n      <li>{% translate 'One' %}</li>\n  </ul>")
