"""What the admin pages of all apps share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DatabaseError, models
from django.http import HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import display as unfold_display
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminExpandableTextareaWidget

from cdp.audit import changed_fields, with_values
from cdp.models import User
from cdp.paginator import BoundedPaginator

# What uses a thing is no part of it: locale/ has this string of Django's with our words, in English too.
STILL_USED = gettext_noop(
    "Deleting the %(object_name)s '%(escaped_object)s' would require deleting the following protected related objects:"
)
Method = TypeVar("Method", bound=Callable[..., Any])


def display(
    *,
    description: str | Promise,
    ordering: Any = None,
    boolean: bool | None = None,
    label: bool | Mapping[str, str] | None = None,
) -> Callable[[Method], Method]:
    """Unfold's decorator for a column, typed: `label` shows a badge, coloured by value where it is a mapping.

    A row is asked once: Unfold's templates ask up to five times for what a page of one thing shows.
    """
    decorate = unfold_display(description=description, ordering=ordering, boolean=boolean, label=label)

    def once(method: Method) -> Method:
        @wraps(method)
        def column(*args: Any) -> Any:
            shown = args[-1].__dict__.setdefault("_shown", {})
            if method not in shown:
                shown[method] = method(*args)
            return shown[method]

        return cast(Method, decorate(column))

    return once


class StrataChangeList(ChangeList):  # type: ignore[misc]
    """Tells each row who looks at it, so that columns can mask; the admin itself is shared by all threads."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for row in self.result_list:
            row.viewer = request.user
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count  # nothing is hidden, so no link back to all


class StrataAdmin(ModelAdmin):  # type: ignore[misc]
    """A list that stays fast on a million rows. Deleting many at once is off: it would pass the services by."""

    paginator: Any = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    list_fullwidth = True
    actions: Any = None
    formfield_overrides: Any = {models.TextField: {"widget": UnfoldAdminExpandableTextareaWidget}}
    show_facets: Any = None
    empty_text: ClassVar[str | Promise] = ""  # what an empty list says: what will stand here, and what to do for it

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StrataChangeList]:
        return StrataChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """The parameters of the list's filters and no others: any other lookup could be asked of what is masked."""
        filters = self.list_filter if request is None else self.get_list_filter(request)
        return any(lookup in filter_parameters(self.model, each) for each in filters)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The object of a page, which knows its `viewer` like the rows of a list."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.viewer = request.user
        return found

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Where somebody deletes the thing while it is being saved, that is said on the list; nothing is made again."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ValidationError, ObjectDoesNotExist, DatabaseError):
            if object_id is None or self.model._default_manager.filter(pk=object_id).exists():
                raise
            said = gettext("Somebody has deleted it meanwhile: %(thing)s. What you wrote on its page is not kept.")
            self.message_user(request, said % {"thing": self.opts.verbose_name}, messages.WARNING)
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What a deletion asks about: the thing and who still uses it, not each of its million rows."""
        names = [str(obj) for obj in objs]
        used_by = [user for obj in objs for user in self.used_by(obj)]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), used_by

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Beside the names of the changed fields, what was there before and after."""
        return with_values(super().construct_change_message(request, form, formsets, add), form, formsets or ())

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Each entry with what it holds for this reader."""
        response = super().history_view(request, object_id, extra_context)
        if isinstance(response, TemplateResponse):
            for entry in (response.context_data or {}).get("action_list", ()):
                entry.shown = changed_fields(entry, request.user)
        return response

    def used_by(self, obj: Any) -> list[str]:
        """Names of what still uses `obj` and so forbids its deletion."""
        return []


def filter_parameters(model: type[models.Model], list_filter: Any) -> set[str]:
    """What a filter of `list_filter`, a field's name or a filter class, reads from the query string."""
    if not isinstance(list_filter, str):
        return {list_filter.parameter_name}
    target = model._meta.get_field(list_filter).related_model
    by_relation = {f"{list_filter}__{target._meta.pk.name}__exact"} if isinstance(target, type) else set()
    return {list_filter, f"{list_filter}__exact", f"{list_filter}__isnull", *by_relation}


class StrataStackedInline(StackedInline):  # type: ignore[misc]
    """Rows of a form beneath another, one block each."""

    extra = 0
    formfield_overrides: Any = {models.TextField: {"widget": UnfoldAdminExpandableTextareaWidget}}


class ReadOnlyAdmin(StrataAdmin):
    """Pages that show and change nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


def signed_in(request: HttpRequest) -> User:
    """Who is signed in; the admin lets nobody else through."""
    return cast(User, request.user)


def account(user: User | None, viewer: User) -> SafeString | str:
    """The name of somebody's account, as a link for those who may open its page."""
    if user is None:
        return "-"
    if not viewer.has_perm("cdp.view_user"):
        return str(user)
    return format_html('<a class="st-link" href="{}">{}</a>', reverse("admin:cdp_user_change", args=[user.pk]), user)


def has_perm(request: HttpRequest, permission: str) -> bool:
    """Whether the signed-in person holds `app.codename`."""
    return signed_in(request).has_perm(permission)
