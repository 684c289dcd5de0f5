"""What a service refuses of a form: all is rolled back, and the form comes again with what was typed and why."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext

from cdp.rules.errors import RuleError
from profiles.refresh.saving import VersionConflict


class RefusedForm(forms.ModelForm):  # type: ignore[type-arg]
    """`refused` is what the service said of what was typed, as it was tried before."""

    refused: RuleError | ValidationError | VersionConflict | None = None

    def tell_what_was_refused(self) -> None:
        """To be called at the end of `clean`."""
        if isinstance(self.refused, RuleError):
            self.add_error("rule" if "rule" in self.fields else None, [str(each) for each in self.refused.problems])
        elif isinstance(self.refused, ValidationError):
            self.add_error(None, list(dict.fromkeys(self.refused.messages)))
        elif self.refused is not None:
            self.add_error(None, [str(self.refused), *last_change(self.instance)])
            self.add_error(None, gettext("What you wrote is still here: copy it, reload the page and edit it again."))


class RefusalPages:
    """Mixed into the admin of what a service saves; its form is a RefusedForm."""

    def get_form(self: Any, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of this request."""
        form = super().get_form(request, obj, change=change, **kwargs)  # type: ignore[misc]
        return type(form.__name__, (form,), self.told_to_form(request, obj))

    def told_to_form(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The attributes of the form of this request."""
        return {"refused": getattr(request, "refused", None)}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        show = super().changeform_view  # type: ignore[misc]
        try:
            return show(request, object_id, form_url, extra_context)
        except (RuleError, ValidationError, VersionConflict) as error:
            request.refused = error  # type: ignore[attr-defined]
            return show(request, object_id, form_url, extra_context)


def last_change(thing: Model) -> list[str]:
    """Who changed it last on these pages, in words; nothing where nobody did."""
    content_type = ContentType.objects.get_for_model(thing)
    entries = LogEntry.objects.filter(content_type=content_type, object_id=str(thing.pk)).select_related("user")
    last = entries.order_by("-action_time").first()
    return [] if last is None else [gettext("Changed last by %(user)s.") % {"user": last.user}]
