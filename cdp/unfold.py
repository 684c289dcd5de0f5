"""How the admin looks: name, colours, sidebar and dashboard. `settings.UNFOLD` is this dictionary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SITE_NAME = "Strata"


def allowed(permission: str) -> Callable[[HttpRequest], bool]:
    """A callback that shows a link to those who hold `permission`."""

    def check(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return check


def link(title: str | Promise, icon: str, model: str) -> dict[str, Any]:
    """A link to the list of `app.model`, for those who may view it."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": allowed(f"{app}.view_{name}"),
    }


NAVIGATION: list[dict[str, Any]] = [
    {"items": [{"title": _("Dashboard"), "icon": "space_dashboard", "link": reverse_lazy("admin:index")}]},
    {
        "title": _("Customers"),
        "items": [
            link(_("Profiles"), "person_search", "profiles.profile"),
            link(_("Merges"), "call_merge", "profiles.profilemerge"),
            link(_("Separations"), "call_split", "profiles.separation"),
            link(_("Identity conflicts"), "rule", "profiles.identityconflict"),
            link(_("Possible duplicates"), "group_work", "profiles.duplicatesuggestion"),
        ],
    },
    {
        "title": _("Audiences"),
        "items": [
            {
                **link(_("Tags"), "sell", "tags.tag"),
                "covers": [reverse_lazy("admin:tags_tagvalue_changelist")],
            },
            link(_("Segments"), "groups", "segments.segment"),
            link(_("Tier schemes"), "stairs", "segments.tierscheme"),
        ],
    },
    {
        "title": _("Campaigns"),
        "items": [
            link(_("Campaigns"), "campaign", "campaigns.campaign"),
            {
                "title": _("Outbox"),
                "icon": "outbox",
                "link": reverse_lazy("admin:campaigns_outbox"),
                "permission": allowed("campaigns.view_delivery"),
            },
            link(_("Not to be written to"), "unsubscribe", "campaigns.suppression"),
        ],
    },
    {
        "title": _("Data"),
        "items": [
            link(_("Sources"), "input", "profiles.source"),
            link(_("Imports"), "upload_file", "profiles.import"),
            link(_("Saved mappings"), "bookmark", "profiles.importmapping"),
            link(_("Attribute definitions"), "badge", "profiles.attributedefinition"),
            link(_("Event definitions"), "bolt", "profiles.eventdefinition"),
            link(_("Identifier kinds"), "fingerprint", "profiles.identifierkind"),
            {
                "title": _("Data quality"),
                "icon": "monitoring",
                "link": reverse_lazy("admin:profiles_quality"),
                "covers": [reverse_lazy("admin:profiles_violation_changelist")],
                "permission": allowed("profiles.view_eventday"),
            },
            link(_("Rejected messages"), "report", "profiles.rejectedmessage"),
        ],
    },
    {
        "title": _("System"),
        "items": [
            link(_("Runs"), "progress_activity", "cdp.run"),
            link(_("Webhooks"), "webhook", "cdp.webhook"),
            link(_("Users"), "manage_accounts", "cdp.user"),
            link(_("Roles"), "admin_panel_settings", "auth.group"),
            link(_("API tokens"), "key", "cdp.apitoken"),
        ],
    },
]

# Tailwind's blue: white text on 600 has a contrast of 5 to 1.
PRIMARY = {
    "50": "oklch(97% .014 254.6)",
    "100": "oklch(93.2% .032 255.6)",
    "200": "oklch(88.2% .059 254.1)",
    "300": "oklch(80.9% .105 251.8)",
    "400": "oklch(70.7% .165 254.6)",
    "500": "oklch(62.3% .188 259.8)",
    "600": "oklch(54.6% .2 262.9)",
    "700": "oklch(48.8% .19 264.4)",
    "800": "oklch(42.4% .17 265.6)",
    "900": "oklch(37.9% .146 265.5)",
    "950": "oklch(28.2% .091 267.9)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": _("Customer layers"),
    "SITE_SYMBOL": "stacks",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("strata/icon.svg")},
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": PRIMARY},
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda request: static("strata/admin.css")],
    "SCRIPTS": [lambda request: static("strata/admin.js")],
    "DASHBOARD_CALLBACK": "cdp.dashboard.dashboard",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": NAVIGATION},
}
