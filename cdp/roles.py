"""The six roles: Django groups whose permissions this file decides, for people and tokens alike.

Apps are named as strings only. A role says what may be done; who sees personal data unmasked is `profiles.view_pii`.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.utils.translation import gettext_lazy as _

VIEWER, OPERATOR, CAMPAIGN_MANAGER = "viewer", "operator", "campaign_manager"
INTEGRATION, PRIVACY_OFFICER, ADMIN = "integration", "privacy_officer", "admin"

ROLE_NAMES = {
    VIEWER: _("Viewer"),
    OPERATOR: _("Operator"),
    CAMPAIGN_MANAGER: _("Campaign manager"),
    INTEGRATION: _("Integration"),
    PRIVACY_OFFICER: _("Privacy officer"),
    ADMIN: _("Administrator"),
}

DATA_APPS = ("profiles", "tags", "segments", "campaigns")
VIEW_ALL = (
    *(f"{app}.view_*" for app in DATA_APPS if app != "profiles"),
    "cdp.view_run",
    "profiles.view_profile",
    "profiles.view_identifier*",
    "profiles.view_identityc*",
    "profiles.view_profilemerge",
    "profiles.view_profilesplit",
    "profiles.view_separation",
    "profiles.view_source",
    "profiles.view_event",
    "profiles.view_eventdefinition",
    "profiles.view_attributedefinition",
    "profiles.view_consent",
    "profiles.view_duplicatesuggestion",
    "profiles.view_eventday",
    "profiles.view_import",
    "profiles.view_kindday",
    "profiles.view_violation",
)
EDIT_RULES = (
    "tags.add_tag*", "tags.change_tag*", "tags.delete_tag*",
    "segments.add_segment", "segments.change_segment", "segments.delete_segment",
    "segments.add_membership", "segments.delete_membership",
    "segments.add_tier*", "segments.change_tier*", "segments.delete_tier*",
)  # fmt: skip
IMPORT_FILES = (
    "profiles.add_import", "profiles.change_import",
    "profiles.view_importmapping", "profiles.add_importmapping", "profiles.change_importmapping",
    "profiles.delete_importmapping",
)  # fmt: skip

WEBHOOKS = ("cdp.view_webhook*", "cdp.add_webhook", "cdp.change_webhook", "cdp.delete_webhook")
SUPPRESS = ("campaigns.add_suppression", "campaigns.delete_suppression")

# Role -> patterns `app.codename`; a trailing * stands for any ending.
ROLE_PERMISSIONS: dict[str, tuple[str, ...]] = {
    VIEWER: VIEW_ALL,
    OPERATOR: (
        *VIEW_ALL,
        *EDIT_RULES,
        "cdp.change_run",
        "profiles.view_pii",
        "profiles.merge_profile",
        "profiles.add_duplicatesuggestion", "profiles.change_duplicatesuggestion",
        "profiles.view_rejectedmessage",
        "profiles.change_rejectedmessage", "profiles.delete_rejectedmessage",
        "profiles.add_consent",
        "profiles.add_source", "profiles.change_source", "profiles.delete_source",
        "profiles.add_identifierkind", "profiles.change_identifierkind", "profiles.delete_identifierkind",
        "profiles.add_attributedefinition", "profiles.change_attributedefinition",
        "profiles.add_eventdefinition", "profiles.change_eventdefinition",
        *IMPORT_FILES,
        *WEBHOOKS,
        *SUPPRESS,
    ),
    CAMPAIGN_MANAGER: (
        *VIEW_ALL,
        "campaigns.add_*", "campaigns.change_*", "campaigns.delete_*", "campaigns.launch_campaign",
    ),
    INTEGRATION: (
        *VIEW_ALL,
        *EDIT_RULES,
        *IMPORT_FILES,
        *WEBHOOKS,
        *SUPPRESS,
        "profiles.view_pii",
        "profiles.merge_profile",
        "profiles.add_duplicatesuggestion", "profiles.change_duplicatesuggestion",
        "profiles.add_consent",
        "campaigns.add_campaign", "campaigns.change_campaign", "campaigns.launch_campaign",
    ),
    PRIVACY_OFFICER: (
        *VIEW_ALL, "profiles.view_pii", "profiles.view_rejectedmessage", "profiles.add_consent",
        *SUPPRESS,
    ),
    ADMIN: ("*",),
}  # fmt: skip


def matches(pattern: str, permission: str) -> bool:
    """Whether `app.codename` fits a pattern of `ROLE_PERMISSIONS`."""
    return permission.startswith(pattern[:-1]) if pattern.endswith("*") else permission == pattern


def sync_roles(sender: Any = None, using: str = "default", **kwargs: Any) -> None:
    """Make the six groups and give each exactly its permissions; once a migration, after its last app."""
    last = [config for config in apps.get_app_configs() if config.models_module is not None][-1]
    if sender is not None and sender.name != last.name:
        return
    group_model: type[models.Model] = apps.get_model("auth", "Group")
    permission_model: type[models.Model] = apps.get_model("auth", "Permission")
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission  # type: ignore[attr-defined]
        for permission in permission_model._default_manager.using(using).select_related("content_type")
    }
    for role, patterns in ROLE_PERMISSIONS.items():
        group, _created = group_model._default_manager.using(using).get_or_create(name=role)
        group.permissions.set(  # type: ignore[attr-defined]
            [found for name, found in known.items() if any(matches(pattern, name) for pattern in patterns)]
        )
