"""API tokens: made here, shown once, deleted to revoke."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminSelectWidget

from cdp.admin.base import StrataAdmin, display
from cdp.admin.people import role_name
from cdp.clocks import on_clocks
from cdp.models import ApiToken
from cdp.roles import ROLE_NAMES, VIEWER
from cdp.tokens import issue_token, revoke_token


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new token: its name, its role, and when it ends."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=lambda: list(ROLE_NAMES.items()),
        initial=VIEWER,
        widget=UnfoldAdminSelectWidget,
        help_text=_("What the token may do and see."),
    )

    class Meta:
        model = ApiToken
        fields = ("name", "expires_at")

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError(_("This time has passed."))
        return None if expires_at is None else on_clocks(expires_at, UTC)


@admin.register(ApiToken)
class ApiTokenAdmin(StrataAdmin):
    """Tokens cannot be changed or read again: to change one, delete it and make another."""

    empty_text = _("No API token yet. A program shows one to read profiles, tags and segments over HTTP.")
    form = TokenForm
    list_display = ("name", "role", "created_at", "expires_at", "last_used_at")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "role", "expires_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        return tokens.select_related("user").prefetch_related("user__groups")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.fields if obj is None else ("name", "role", "created_at", "expires_at", "last_used_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("name", "role", "created_at", "expires_at", "last_used_at")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The service makes the account and the token; the text lives on for the answer to this request alone."""
        data = form.cleaned_data
        token, text = issue_token(data["name"], role=data["role"], expires_at=data["expires_at"])
        obj.pk, obj.text = token.pk, text

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """The service account goes with its token, unless the audit names it."""
        revoke_token(obj)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token once, on this page; it passes no message, cookie or session."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("API token made"),
            "opts": self.opts,
            "token": obj.text,
            "name": obj.name,
        }
        return never_cache(lambda request: TemplateResponse(request, "cdp/token.html", context))(request)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """One button: the page after it is the one that shows the token."""
        context.update(show_save_and_add_another=False, show_save_and_continue=False)
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description=_("role"), label=True)
    def role(self, token: ApiToken) -> str:
        return ", ".join(role_name(group) for group in token.user.groups.all())
