"""The page of two tags crossed: a heat map whose cells open their people, and the tag that is made of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from cdp.admin.base import has_perm, signed_in
from cdp.admin.searched import SearchedSelect
from cdp.audit import write_addition
from cdp.disclosure import may_see_pii
from cdp.rules.errors import RuleError
from profiles.people_urls import people_url
from tags.admin.options import tag_options_url
from tags.models import Tag
from tags.services.cross import Cross, cross_tags, join_tags

OF_ROW, OF_COLUMN, OF_ALL = "row", "column", "all"
SHARES = {OF_ROW: _("of the row"), OF_COLUMN: _("of the column"), OF_ALL: _("of all people")}


class JoinForm(forms.Form):
    """What the tag is called that is made of both."""

    name = forms.CharField(label=_("Name"), max_length=100, widget=UnfoldAdminTextInputWidget)
    key = forms.SlugField(label=_("Key"), max_length=50, widget=UnfoldAdminTextInputWidget)


def cross_view(request: HttpRequest, tag_id: int, context: dict[str, Any]) -> HttpResponse:
    """`?with=` names the other tag, `?share=` of what the percents are; POST makes a tag of both."""
    tag = get_object_or_404(Tag, pk=tag_id)
    if not has_perm(request, "tags.view_tagassignment"):
        raise PermissionDenied
    others = Tag.objects.current().exclude(pk=tag.pk).order_by("name", "key")
    other = others.filter(key=request.GET.get("with", "")).first()
    share = request.GET.get("share", OF_ROW)
    share = share if share in SHARES else OF_ROW
    may_join = has_perm(request, "tags.add_tag") and may_see_pii(request.user)
    given = {"name": f"{tag.name} × {other.name}"[:100], "key": f"{tag.key}-{other.key}"[:50]} if other else None
    form = JoinForm(request.POST or None, initial=given)
    if other and may_join and form.is_valid() and (joined := join(request, tag, other, form)):
        return HttpResponseRedirect(reverse("admin:tags_tag_change", args=[joined.pk]))
    is_archived = tag.lifecycle == Tag.Lifecycle.ARCHIVED
    cross, problem = None, ""
    if other and not is_archived:
        try:
            cross = cross_tags(tag, other, now=timezone.now())
        except ValidationError as error:
            problem = " ".join(error.messages)
    widget = SearchedSelect(
        tag_options_url(but=tag.key), {"required": True}, [(other.key, other.name)] if other else []
    )
    further = {
        "title": f"{tag.name} · {gettext('Cross with another tag')}",
        "original": tag,
        "tag": tag,
        "other": other,
        "has_others": others.exists(),
        "choice": widget.render("with", other.key if other else ""),
        "is_archived": is_archived,
        "share": share,
        "shares": SHARES.items(),
        "cross": cross,
        "problem": problem,
        "rows": heat(cross, share) if cross else [],
        "totals": totals(cross) if cross else [],
        "form": form if cross and may_join else None,
    }
    return TemplateResponse(request, "tags/cross.html", {**context, **further})


def join(request: HttpRequest, tag: Tag, other: Tag, form: JoinForm) -> Tag | None:
    """The new tag; None where it was refused, as the form says then."""
    try:
        joined = join_tags(tag, other, **form.cleaned_data, user=signed_in(request), now=timezone.now())
    except ValidationError as error:
        form.add_error(None, error.messages)
        return None
    except RuleError as error:
        form.add_error(None, [str(problem) for problem in error.problems])
        return None
    write_addition(signed_in(request), joined, {"key": joined.key, "name": joined.name, "of": [tag.key, other.key]})
    messages.success(request, gettext("Made “%(tag)s”: a draft, to be activated here.") % {"tag": joined.name})
    return joined


def heat(cross: Cross, share: str) -> list[dict[str, Any]]:
    """Rows of the map: each cell with its share, which its colour shows, and the address of its people."""
    rows = []
    for place, side in enumerate(cross.rows):
        whole = {OF_ROW: [cross.n_row(place)] * len(cross.columns), OF_ALL: [cross.n_people] * len(cross.columns)}
        wholes: Sequence[int] = whole.get(share) or [cross.n_column(column) for column in range(len(cross.columns))]
        cells = [
            {
                "n": n,
                "percent": n * 100 / of if of else 0,
                "url": url(cross, place, column) if n else "",
                "title": f"{side.name} × {cross.columns[column].name}",
            }
            for column, (n, of) in enumerate(zip(cross.counts[place], wholes, strict=True))
        ]
        n_row = cross.n_row(place)
        rows.append({"side": side, "cells": cells, "n": n_row, "url": url(cross, place, None) if n_row else ""})
    return rows


def totals(cross: Cross) -> list[tuple[int, str]]:
    """Of the columns, each with the address of its people."""
    sums = [cross.n_column(column) for column in range(len(cross.columns))]
    return [(n, url(cross, None, column) if n else "") for column, n in enumerate(sums)]


def url(cross: Cross, row: int | None, column: int | None) -> str:
    rule = cross.people(row, column)
    return people_url(rule) if rule is not None else ""
