"""Pages whose change may alter what is stored: they say what it will do, and do it once that was confirmed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cdp.admin.base import StrataAdmin, signed_in
from cdp.admin.meanwhile import MeanwhileForm
from cdp.models import Run, User
from profiles.services.definitions import Consequences

CONFIRMED = "_confirmed"


class ConfirmingAdmin(StrataAdmin):
    """`consequences` says what a change sets off, None for nothing, and `confirmation_template` shows it;
    `save_and_queue` saves what was `changed`, and returns the run, of which `queued_text` tells.
    """

    confirmation_template: str
    queued_text: Any

    def consequences(self, before: Any, after: Any) -> Any:
        raise NotImplementedError

    def save_and_queue(self, thing: Any, user: User, changed: Collection[str]) -> Run | None:
        raise NotImplementedError

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method == "POST" and object_id is not None and CONFIRMED not in request.POST:
            page = self.confirmation(request, object_id)
            if page is not None:
                return page
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def confirmation(self, request: HttpRequest, object_id: str) -> HttpResponse | None:
        """The page that asks; None where the form has errors, or the change sets nothing off."""
        before, after = self.get_object(request, object_id), self.get_object(request, object_id)
        if before is None or not self.has_change_permission(request, before):
            return None
        form = self.get_form(request, after, change=True)(request.POST, instance=after)
        found = self.consequences(before, form.instance) if form.is_valid() else None
        if found is None:
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("What this change does"),
            "opts": self.opts,
            "original": before,
            "after": form.instance,
            "found": found,
            **self.shown_with(request, before, found),
            "posted": [(name, value) for name in request.POST for value in request.POST.getlist(name)],
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(request, self.confirmation_template, context)

    def shown_with(self, request: HttpRequest, before: Any, found: Any) -> dict[str, Any]:
        """What else the page that asks shows."""
        return {}

    def written(self, request: HttpRequest, form: MeanwhileForm) -> list[str]:
        """The fields that were changed on the page."""
        return form.written()

    def save_model(self, request: HttpRequest, obj: Any, form: MeanwhileForm, change: bool) -> None:
        run = self.save_and_queue(obj, signed_in(request), self.written(request, form))
        if run is not None:
            link = format_html(
                '<a class="st-link" href="{}">{}</a>', reverse("admin:cdp_run_change", args=[run.pk]), _("Follow it")
            )
            self.message_user(request, format_html("{} {}", self.queued_text, link), messages.WARNING)


class RefoldingAdmin(ConfirmingAdmin):
    """Pages whose change folds all values again."""

    confirmation_template = "profiles/refold.html"
    queued_text = gettext_lazy("Saved. A run folds all values again, and then refreshes what depends on them.")

    def consequences(self, before: Any, after: Any) -> Consequences | None:
        raise NotImplementedError

    def shown_with(self, request: HttpRequest, before: Any, found: Consequences) -> dict[str, Any]:
        return {"misfits": [self.shown_misfit(request, before, value) for value in found.misfits]}

    def shown_misfit(self, request: HttpRequest, thing: Any, value: Any) -> Any:
        """One of the values that the change cannot hold, as this user may see it."""
        return value
