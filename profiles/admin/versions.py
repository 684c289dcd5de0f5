"""The page of a holder's rule history: the sentences of each version, and the button that restores one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.translation import gettext

from cdp.admin.base import signed_in
from cdp.keyset import keyset_page
from cdp.models import RuleVersion, User
from cdp.rules.errors import RuleError
from cdp.rules.parse import parse_rules
from profiles.admin.rules import rule_text
from profiles.masking import masking_for
from profiles.rule_reading import described

PAGE = 20


class PartRead(NamedTuple):
    """What one rule of a version says, to whoever looks; `name` is that of the value or tier, "" of a single rule."""

    name: str
    sentence: str
    json: str


class VersionPages:
    """Mixed into the admin of holders."""

    admin_site: Any
    opts: Any
    model: Any

    @abstractmethod
    def restore_rules(self, thing: Any, version: int, *, user: User) -> None:
        """Call the service that gives a thing the rules of a version, and queues their refresh."""

    def version_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_versions"
        return [path("<int:pk>/versions/", self.admin_site.admin_view(self.versions_view), name=name)]

    def versions_view(self: Any, request: HttpRequest, pk: int) -> HttpResponse:
        """The versions, the latest first; a POST of `version` restores one."""
        thing = get_object_or_404(self.model, pk=pk)
        if request.method == "POST":
            return self.restore_view(request, thing)  # type: ignore[no-any-return]
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "POST"])
        if not self.has_view_permission(request, thing):
            raise PermissionDenied
        rows = RuleVersion.objects.filter(holder=self.holder_key(thing)).select_related("user")
        page = keyset_page(rows, key="version", after=request.GET.get("after", ""), size=PAGE, newest_first=True)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{thing} · {gettext('Rule history')}",
            "opts": self.opts,
            "original": thing,
            "page": page,
            "table": list(zip(page.rows, parts_as_read(page.rows, request.user), strict=True)),
            "may_restore": self.is_filled_by_rule(thing) and self.has_change_permission(request, thing),
        }
        return TemplateResponse(request, "profiles/rule_versions.html", context)

    def restore_view(self: Any, request: HttpRequest, thing: Any) -> HttpResponse:
        if not self.is_filled_by_rule(thing) or not self.has_change_permission(request, thing):
            raise PermissionDenied
        text = request.POST.get("version", "")
        if not text.isdecimal() or len(text) > 9:
            raise Http404
        try:
            with transaction.atomic():
                self.restore_rules(thing, int(text), user=signed_in(request))
                before = thing.rule_version
                thing.refresh_from_db(fields=["rule_version"])
                is_changed = thing.rule_version != before
                if is_changed:
                    self.log_change(request, thing, gettext("Restored the rules of version %(n)s.") % {"n": text})
        except RuleVersion.DoesNotExist as error:
            raise Http404 from error
        except RuleError as error:
            messages.error(request, "; ".join(str(problem) for problem in error.problems))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            restored = gettext("Restored version %(n)s.") % {"n": text}
            messages.success(request, restored if is_changed else gettext("It has these rules now."))
        return self.back_to(thing.pk)  # type: ignore[no-any-return]


def parts_as_read(versions: Sequence[RuleVersion], user: Any) -> list[list[PartRead]]:
    """The sentences of each version, with one query a kind of name for all; personal values masked."""
    masking = masking_for(user)
    rules = [part["rule"] for version in versions for part in version.rules if part["rule"] is not None]
    parsed = iter(parse_rules(rules))
    everybody = gettext("Everybody who is left.")
    return [
        [
            PartRead(
                part["name"],
                everybody if part["rule"] is None else described(next(parsed), masking),
                "" if part["rule"] is None else rule_text(masking.rule(part["rule"])),
            )
            for part in version.rules
        ]
        for version in versions
    ]
