"""Users, and the roles that they hold."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, Exists, ManyToManyField, OuterRef, QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from cdp.admin.base import ReadOnlyAdmin, StrataAdmin, display
from cdp.audit import has_entries
from cdp.models import User
from cdp.roles import ROLE_NAMES

admin.site.unregister(Group)

# Django's groups are our roles: locale/ has these strings of Django's with our words, in English too.
DJANGO_WORDS = (
    gettext_noop("Authentication and Authorization"),
    gettext_noop("group"),
    gettext_noop("groups"),
    gettext_noop("The groups this user belongs to. A user will get all permissions granted to each of their groups."),
)
ACTIONS = {"view": _("View"), "add": _("Add"), "change": _("Change"), "delete": _("Delete")}


def role_name(group: Group) -> str:
    """The role's name in the active language."""
    return str(ROLE_NAMES.get(group.name, group.name))


class RolesField(ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Roles by their names in the active language."""

    def label_from_instance(self, obj: Any) -> str:
        return role_name(obj)


def possible_owners(owner_id: int | None) -> QuerySet[User]:
    """Whom something may belong to: people, and whoever owns it. Accounts of tokens read no notices."""
    people = User.objects.filter(is_active=True, api_token__isnull=True)
    return (people | User.objects.filter(pk=owner_id or 0)).order_by("username")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StrataAdmin):  # type: ignore[type-arg, misc]
    """People who sign in. Accounts of API tokens are shown under API tokens."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = _("User name, name or email")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": (("first_name", "last_name"), "email")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Times"), {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "is_staff", "groups")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people = super().get_queryset(request).filter(api_token__isnull=True)
        return people.exclude(username__startswith="token:").prefetch_related("groups")

    def used_by(self, obj: Any) -> list[str]:
        """The audit names who did what; whoever is gone from it could have done anything."""
        return [gettext("Entries of the audit: switch the account off instead.")] if has_entries(obj) else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Whoever is added here shall use these pages."""
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "is_staff":
            kwargs.update(label=_("May sign in"), help_text=_("To these pages. What is shown there, the roles decide."))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, ManyToManyField) and db_field.name == "groups":
            kwargs["help_text"] = _("What this user may do and see. Without a role, nothing is shown.")
            kwargs.update(form_class=RolesField, widget=UnfoldAdminCheckboxSelectMultipleWidget)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @display(description=_("name"))
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "-"

    @display(description=_("roles"), label=True)
    def roles(self, user: User) -> list[str]:
        names = [role_name(group) for group in user.groups.all()]
        return [gettext("Superuser"), *names] if user.is_superuser else names


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin, DjangoGroupAdmin):
    """The six roles. What each may do is decided in cdp/roles.py, so nothing here can be changed."""

    list_display = ("role", "n_users", "personal_data")
    search_fields = ()
    ordering = ("id",)
    fields = ("role", "members", "may")
    readonly_fields = ("role", "members", "may")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        seeing = Permission.objects.filter(codename="view_pii", group=OuterRef("pk"))
        roles: QuerySet[Group] = super().get_queryset(request)
        return roles.annotate(n_accounts=Count("user"), sees_pii=Exists(seeing))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The role by its name in the active language; nothing here is ever saved."""
        group = super().get_object(request, object_id, from_field)
        if group is not None:
            group.name = role_name(group)
        return group

    @display(description=_("role"), ordering="name")
    def role(self, group: Group) -> str:
        return role_name(group)

    @display(description=_("accounts"))
    def n_users(self, group: Any) -> int:
        return int(group.n_accounts)

    @display(description=_("sees personal data"), boolean=True)
    def personal_data(self, group: Any) -> bool:
        return bool(group.sees_pii)

    @display(description=_("accounts"))
    def members(self, group: Group) -> str:
        return ", ".join(group.user_set.order_by("username").values_list("username", flat=True)) or "-"

    @display(description=_("may"))
    def may(self, group: Group) -> SafeString:
        return render_to_string("admin/auth/group/permissions.html", {"rows": permission_rows(group)})


def permission_rows(group: Group) -> list[tuple[str, list[str]]]:
    """What a role may do, as (name of the model, actions), in the order of the apps."""
    rows: dict[str, list[str]] = {}
    permissions = group.permissions.select_related("content_type").order_by("content_type__app_label", "pk")
    for permission in permissions:
        model = permission.content_type.model_class()
        if model is None:
            continue
        action = permission.codename.removesuffix(f"_{model._meta.model_name}")
        name = str(ACTIONS.get(action) or dict(model._meta.permissions).get(permission.codename, permission.name))
        rows.setdefault(str(capfirst(model._meta.verbose_name)), []).append(name)
    return list(rows.items())
