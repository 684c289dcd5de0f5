"""One of everything that the API serves, full of personal data, and the paths and bodies to reach it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from drf_spectacular.generators import SchemaGenerator

from cdp.models import Run
from profiles.models import AttributeDefinition, IdentifierKind, RejectedMessage
from profiles.refresh.versions import single, write_version
from segments.models import MembershipChange, SizeAlert
from tests.factories.campaigns import CampaignFactory, ContentFactory, DeliveryFactory, SuppressionFactory
from tests.factories.imports import MAPPING, ImportFactory, ImportMappingFactory
from tests.factories.profiles import (
    SEEN_AT,
    ConflictFactory,
    ConsentFactory,
    DuplicateSuggestionFactory,
    EventFactory,
    IdentifierFactory,
    ProfileFactory,
    ProfileMergeFactory,
    SeparationFactory,
    SourceFactory,
)
from tests.factories.segments import (
    MembershipFactory,
    SegmentFactory,
    TierChangeFactory,
    TierFactory,
    TierSchemeFactory,
    TierStandingFactory,
)
from tests.factories.tags import ScoreFactory, TagAssignmentFactory, TagFactory, TagValueFactory
from tests.factories.webhooks import WebhookAttemptFactory, WebhookFactory

# Every personal value holds this word, in some spelling.
MARKER = "pimpernel"
EMAIL, PHONE = f"{MARKER}@example.com", "+8613800138000"
OTHER = "0f5a2c1e-0000-4000-8000-000000000000"  # somebody else
IS_ANN = {"op": "attribute", "key": "email", "is": "eq", "value": EMAIL}
IN_OSLO = {"op": "attribute", "key": "city", "is": "eq", "value": "Oslo"}


def make_world() -> dict[str, Any]:
    """Fill every endpoint; returns what stands for `{id}` and the like in the paths of each prefix."""
    for key in ("wechat name", "home.street"):
        AttributeDefinition.objects.create(key=key, is_pii=True)
    ann = ProfileFactory(
        attributes={
            "name": MARKER, "email": EMAIL, "phone": PHONE, "birthday": "1990-12-31", "home.street": MARKER,
            "wechat name": MARKER, "first_name": MARKER, "last_name": MARKER, "city": "Oslo", "motto": EMAIL,
        }
    )  # fmt: skip
    for kind, value in [("email", EMAIL), ("phone", PHONE), ("user_id", MARKER), ("member_card", MARKER.upper()),
                        ("wechat_unionid", MARKER), ("wechat_openid", MARKER), ("anonymous_id", "a-1")]:  # fmt: skip
        IdentifierFactory(profile=ann, kind_key=kind, value=value)
    IdentifierKind.objects.filter(key="phone").update(blocked_values=["+8613800138001"])
    shop = SourceFactory(key="shop")
    other = ProfileFactory(public_id=OTHER, attributes={"name": MARKER})
    theirs = IdentifierFactory(profile=other, kind_key="email", value=f"other-{EMAIL}")
    conflict = ConflictFactory(anchor=theirs, left_out__profile=ann, source=shop, note=MARKER)
    merge = ProfileMergeFactory(survivor=ann, source=shop)
    separation = SeparationFactory(left=theirs, right__profile=ann)
    properties = {"email": EMAIL, "shipping": {"Phone": PHONE, "realName": MARKER}, "products": [{"name": "Tea"}]}
    EventFactory(profile=ann, source=shop, definition__name="Order Completed", properties=properties)
    EventFactory(profile=ann, definition__name="$identify", properties={"firstName": MARKER, "wechat name": MARKER})
    ConsentFactory(profile=ann)
    ConsentFactory(profile=ann, source=None, recorded_at=SEEN_AT, note=f"said {MARKER}")
    vip = TagFactory(key="vip")
    TagAssignmentFactory(tag=vip, profile=ann)
    rule_tag = TagFactory(key="ann-tag", kind="rule", rule=None)
    TagValueFactory(tag=rule_tag, key="yes", rule={"not": {"not": IS_ANN}})
    ScoreFactory(profile=ann)
    segment = SegmentFactory(key="loyal", rule={"any": [IS_ANN, IN_OSLO]})
    MembershipFactory(segment=segment, profile=ann)
    MembershipChange.objects.create(segment=segment, profile=ann, change="entered", cause="data", at=SEEN_AT)
    SizeAlert.objects.create(segment=segment, day="2026-02-01", before=1, after=2)
    write_version("segment:loyal", 9, single({"any": [IS_ANN, IN_OSLO]}), user=None)
    scheme = TierSchemeFactory(key="club")
    gold = TierFactory(scheme=scheme, key="gold", entry=IS_ANN)
    TierStandingFactory(tier=gold, profile=ann)
    TierChangeFactory(tier=gold, profile=ann)
    campaign = CampaignFactory(key="spring", segment=None, tier_scheme=scheme)
    ContentFactory(campaign=campaign)
    DeliveryFactory(
        campaign=campaign, profile=ann, tier=gold, address=EMAIL, detail=f"550 {EMAIL} unknown", state="failed"
    )
    rejected = RejectedMessage.objects.create(
        source=shop, received_at=SEEN_AT, reason=f"timestamp '{EMAIL}' is not a time", payload=f'{{"name": "{MARKER}"}}'
    )
    saved = ImportMappingFactory(
        key="members", source=shop, mapping={**MAPPING, "constants": {"traits": {"nick": MARKER}}}
    )
    counts = {"refused": 1, "refused_rows": [f"2: {MARKER}, {PHONE}"]}  # a file without a header
    imported = ImportFactory(
        source=shop, saved_mapping=saved, mapping=saved.mapping, name=f"{EMAIL}.csv",
        text=f"Name,Phone\n{MARKER},{PHONE}\n",
        n_rows=1, n_done=1, ended_at=SEEN_AT, refused_file=ContentFile(f"Name\n{MARKER}\n", "1.csv"), refused_size=9,
        counts=counts, dry_run_counts=counts,
    )  # fmt: skip
    run = Run.objects.create(
        kind="import",
        subject="shop",
        state="failed",
        error=f"members.csv: line 2, column 'Mail': '{MARKER}' is not a date",
        counts=counts,
        result_file=default_storage.save("refused.csv", ContentFile(f"Mail\n{EMAIL}\n")),
    )
    shop_hook = WebhookFactory(key="shop", hears=["segments"])
    WebhookAttemptFactory(message__webhook=shop_hook, answer=f"{MARKER} is unknown here")
    return {
        "webhooks": "shop",
        "profiles": ann.public_id,
        "tags": "vip",
        "segments": "loyal",
        "tier-schemes": "club",
        "campaigns": "spring",
        "sources": "shop",
        "identifier-kinds": "phone",
        "conflicts": conflict.pk,
        "merges": merge.pk,
        "separations": separation.pk,
        "attributes": "city",
        "events": "Order Completed",
        "scores": "rfm",
        "rejected-messages": rejected.pk,
        "runs": run.pk,
        "imports": imported.pk,
        "import-mappings": "members",
        "suppressions": SuppressionFactory(value=EMAIL, reason=f"{MARKER} rang").pk,
        "duplicates": DuplicateSuggestionFactory(left=ann).pk,
    }


@cache
def schema_paths() -> dict[tuple[str, str], dict[str, Any]]:
    """The schema of every operation by method and path, such as `("get", "tags/{key}/")`."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        (method, path.removeprefix("/api/v1/")): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if not path.endswith("/schema/")
    }


def operations() -> list[tuple[str, str]]:
    return list(schema_paths())


def filled(path: str, world: dict[str, Any]) -> str:
    """A path with the world's own key in place of its parameter."""
    start, brace, rest = path.partition("{")
    return f"{start}{world[start.rstrip('/')]}{rest.partition('}')[2]}" if brace else path


def asked(path: str, world: dict[str, Any]) -> str:
    """The same with a query, where a path cannot do without."""
    queries = {
        "profiles/{id}/explain/": "?segment=loyal",
        "segments/{key}/breakdown/": "?by=attribute:city",
        "tags/{key}/cross/": "?with=ann-tag",
    }
    return filled(path, world) + queries.get(path, "")


def bodies(world: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """A good body for each operation that takes one."""
    people = {"profiles": [str(world["profiles"])]}
    tiers = [{"key": "gold", "name": "Gold", "entry": IN_OSLO, "benefits": "Tea"}, {"key": "low", "name": "Low"}]
    value = {"key": "yes", "name": "Yes", "rule": IN_OSLO}
    content = {"tier": "*", "subject": "News", "body": "Hi"}
    campaign = {"name": "May", "channel": "outbox", "audience": {"tier_scheme": "club"}, "contents": [content]}
    source = {"name": "Till", "kind": "till", "default_region": "NO", "is_enabled": False}
    return {
        ("post", "profiles/merge/"): {"profiles": [str(world["profiles"]), OTHER]},
        ("post", "conflicts/{id}/dismiss/"): {"note": MARKER},
        ("post", "separations/lift/"): {"ids": [world.get("separations")]},
        ("post", "profiles/{id}/split/"): {"identifiers": [{"kind": "email", "value": EMAIL}]},
        ("post", "profiles/{id}/split/preview/"): {"identifiers": [{"kind": "email", "value": EMAIL}]},
        ("post", "profiles/lookup/"): {"identifiers": [{"kind": "email", "value": EMAIL}]},
        ("post", "profiles/{id}/consents/"): {"channel": "sms", "state": "granted", "note": MARKER},
        ("post", "profiles/consents/"): {
            "consents": [{"identifier": {"kind": "email", "value": EMAIL}, "channel": "sms", "state": "denied"}]
        },
        ("post", "sources/"): {"key": "till", "rank": 7, **source},
        ("patch", "sources/{key}/"): source,
        ("post", "identifier-kinds/"): {"key": "till_id", "label": "Till id", "normaliser": "card", "priority": 5},
        ("patch", "identifier-kinds/{key}/"): {"label": "Mobile", "limit_per_profile": 3, "blocked_values": []},
        ("post", "attributes/"): {"key": "shoe", "type": "number", "survivorship": "max", "category": "c"},
        ("patch", "attributes/{key}/"): {"label": "Town", "is_pii": True, "survivorship": "first"},
        ("post", "events/"): {"name": "Sneezed", "label": "l", "value_property": "n", "value_sign": -1, "schema": {}},
        ("patch", "events/{name}/"): {"label": "l", "category": "c", "schema": {"required": ["total"]}},
        ("patch", "rejected-messages/{id}/"): {"payload": "{}"},
        ("post", "rejected-messages/replay/"): {
            "source": "shop",
            "code": "invalid",
            "reason": "x",
            "since": "2026-01-01",
            "until": "2026-12-31",
        },
        ("post", "rejected-messages/discard/"): {"ids": [1]},
        ("post", "tags/"): {"key": "town", "name": "Town", "kind": "rule", "category": "c", "values": [value]},
        ("patch", "tags/{key}/"): {"name": "Best", "category": "c", "description": "d", "version": 1},
        ("post", "tags/{key}/assignments/"): {**people, "value": None, "expires_at": "2099-01-01T00:00:00Z"},
        ("delete", "tags/{key}/assignments/"): people,
        ("post", "tags/{key}/bulk/"): {**people, "action": "assign", "expires_at": "2099-01-01T00:00:00Z"},
        ("post", "segments/"): {"key": "oslo", "name": "Oslo", "kind": "dynamic", "description": "", "rule": IN_OSLO},
        ("patch", "segments/{key}/"): {"name": "Best", "rule": {"all": [IN_OSLO]}, "version": 1},
        ("post", "segments/{key}/profiles/"): people,
        ("delete", "segments/{key}/profiles/"): people,
        ("post", "segments/{key}/bulk/"): people,
        ("post", "segments/{key}/alerts/seen/"): {"day": "2026-02-01"},
        ("post", "segments/preview/"): {"rule": {"not": IN_OSLO}},
        ("post", "tier-schemes/"): {"key": "ladder", "name": "Ladder", "description": "", "tiers": tiers},
        ("patch", "tier-schemes/{key}/"): {"name": "Clan", "tiers": tiers, "version": 1},
        ("post", "imports/{id}/start/"): {"dry_run": True},
        ("post", "import-mappings/"): {
            "key": "sales",
            "name": "Sales",
            "source": "shop",
            "mapping": MAPPING,
            "folder": "sales",
            "is_watching": True,
        },
        ("patch", "import-mappings/{key}/"): {"name": "All", "mapping": MAPPING, "folder": "all", "is_watching": False},
        ("post", "webhooks/"): {
            "key": "till",
            "name": "Till",
            "url": "https://till.example.com/",
            "owner": None,
            "batch_size": 9,
            "hears": [{"feed": "tiers", "subjects": ["club"], "causes": ["data"]}],
            "from_start": True,
        },
        ("patch", "webhooks/{key}/"): {"name": "Till", "url": "https://till.example.com/", "batch_size": 7},
        ("post", "webhooks/{key}/secret/"): {"grace_hours": 2},
        ("post", "webhooks/{key}/enable/"): {"from_now": True},
        ("post", "suppressions/"): {"kind": "email", "value": "a@example.com", "channel": "email", "reason": MARKER},
        ("delete", "suppressions/{id}/"): {"reason": "asked"},
        ("post", "campaigns/"): {"key": "may", "trigger": "now", **campaign},
        ("patch", "campaigns/{key}/"): {"name": "May", "audience": {"segment": "loyal"}, "contents": [content]},
    }
