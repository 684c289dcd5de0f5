"""A select that asks the server while one types: for choices that may be too many for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import get_select2_language
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from unfold.contrib.filters.forms import DropdownForm
from unfold.widgets import UnfoldAdminSelect2Widget

PAGE_SIZE = 30
MAX_TERM, MAX_PAGE = 100, 10_000


def searched(url: str, **attrs: Any) -> dict[str, Any]:
    """The attributes by which the script of Unfold asks `url`, which answers with `options_page`."""
    given = {"data-theme": "admin-autocomplete", "data-ajax--url": url, "data-allow-clear": "true", **attrs}
    if language := get_select2_language():
        given["lang"] = language  # of what it says while it searches, and where it finds nothing
    return {**given, "class": "unfold-filter-autocomplete", "data-placeholder": given.get("data-placeholder", "–")}


class SearchedSelect(forms.Select):
    """`choices` are all that may be chosen, or those that are; only those that are go into the page."""

    def __init__(self, url: str, attrs: dict[str, Any] | None = None, choices: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(searched(url, **(attrs or {})), list(choices))

    def optgroups(self, name: str, value: list[str], attrs: dict[str, Any] | None = None) -> list[Any]:
        """With an empty one in front, without which nothing could be shown as not chosen."""
        known = [(str(key), str(label)) for key, label in self.choices]
        chosen = [(key, label) for key, label in known if key in value and key]
        empty = [] if self.allow_multiple_selected else [("", "")]
        options = [
            self.create_option(name, key, label, bool(key), place)
            for place, (key, label) in enumerate([*empty, *chosen])
        ]
        return [(None, options, 0)]

    @property
    def media(self) -> forms.Media:
        """The same as of templates/cdp/searched_select.html, for forms of the admin."""
        language = get_select2_language()
        words = [f"admin/js/vendor/select2/i18n/{language}.js"] if language else []
        # After select2 and before what starts it: the order of the files is kept where lists of them are joined.
        chain = ["admin/js/vendor/select2/select2.full.js", *words, "admin/js/jquery.init.js"]
        found: forms.Media = UnfoldAdminSelect2Widget().media + forms.Media(js=chain)
        return found


class SearchedSelectMultiple(SearchedSelect, forms.SelectMultiple):
    """Several of them."""


class SearchedFilterForm(DropdownForm):  # type: ignore[misc]
    """Of a filter of a list; one derived from it says the `url`."""

    @property
    def url(self) -> str:
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget = SearchedSelect(self.url, choices=field.choices)


def options_page(
    request: HttpRequest, find: Callable[[str], Sequence[QuerySet[Any]]], show: Callable[[Any], tuple[str, str]]
) -> JsonResponse:
    """A page of what `find` finds for the `term` that was typed, one query's rows after the other's, each by what
    `show` says: its value and its label.
    """
    term, page = request.GET.get("term", "").strip()[:MAX_TERM], request.GET.get("page", "1")
    is_page = page.isascii() and page.isdecimal() and 0 < int(page[:9]) <= MAX_PAGE
    rows: list[Any] = []
    skipped = (int(page) - 1) * PAGE_SIZE if is_page else 0
    for found in find(term):
        rows += (some := list(found[skipped : skipped + PAGE_SIZE + 1 - len(rows)]))
        if len(rows) > PAGE_SIZE:
            break
        skipped = 0 if some else max(0, skipped - found.count())
    results = [dict(zip(("id", "text"), show(row), strict=True)) for row in rows[:PAGE_SIZE]]
    return JsonResponse({"results": results, "pagination": {"more": len(rows) > PAGE_SIZE}})
