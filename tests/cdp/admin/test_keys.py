"""Keys that are left empty in forms, and what the pages say they would be."""

import pytest

from campaigns.models import Campaign
from cdp.roles import ADMIN, CAMPAIGN_MANAGER, OPERATOR, VIEWER
from cdp.webhooks.models import Webhook
from profiles.models import Source
from segments.models import TierScheme
from tests.factories.segments import SegmentFactory
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
KEY = "/admin/key/"


@pytest.mark.parametrize(
    ("of", "name", "key"),
    [
        ("tags.tag", "金卡", "jin-ka-2"),
        ("segments.segment", "金卡", "jin-ka"),
        ("segments.segment", "。", "segment-2"),
        ("tags.tagvalue", "金卡", "jin-ka"),
        ("segments.tier", "。", ""),
        ("segments.tierscheme", "会员", "hui-yuan"),
        ("tags.tag", " ", ""),
    ],
)
def test_a_page_is_told_which_key_a_name_would_give(of, name, key):
    TagFactory(key="jin-ka")
    SegmentFactory(key="segment")

    answer = sign_in(OPERATOR).get(KEY, {"of": of, "name": name})

    assert (answer.status_code, answer.content.decode()) == (200, key)


def test_only_who_may_make_one_is_told_and_of_models_that_there_are():
    assert sign_in(VIEWER).get(KEY, {"of": "tags.tag", "name": "Gold"}).status_code == 403
    assert sign_in(OPERATOR).get(KEY, {"of": "tags.nothing", "name": "Gold"}).status_code == 404
    assert sign_in(OPERATOR).get(KEY, {"of": "tags", "name": "Gold"}).status_code == 404
    assert sign_in(ADMIN).get(KEY, {"of": "cdp.user", "name": "Gold"}).content == b""


def test_the_fields_of_keys_that_may_stay_empty_ask_for_them():
    page = sign_in(OPERATOR).get("/admin/segments/tierscheme/add/").content.decode()

    assert 'data-key-url="/admin/key/?of=segments.tierscheme"' in page
    assert 'data-key-url="/admin/key/?of=segments.tier"' in page


def test_sources_campaigns_schemes_and_webhooks_get_a_key_of_their_name():
    segment = SegmentFactory()
    source = {
        "kind": "web",
        "rank": "10",
        "is_enabled": "on",
        "default_region": "CN",
        "max_messages_per_second": "",
    }
    plan = {"unplanned_events": "allow", "unplanned_attributes": "allow", "schema_violations": "allow"}
    sign_in(ADMIN).post("/admin/profiles/source/add/", {"name": "微信商城", "key": "", **source, **plan})
    contents = {"contents-TOTAL_FORMS": 0, "contents-INITIAL_FORMS": 0}
    audience = {"channel": "outbox", "segment": segment.pk}
    sign_in(CAMPAIGN_MANAGER).post(
        "/admin/campaigns/campaign/add/", {"name": "双十一", "key": "", **audience, **contents}
    )
    hears = {"url": "https://shop.example.com/hooks", "batch_size": "100", "hears_profiles": "on"}
    sign_in(OPERATOR).post("/admin/cdp/webhook/add/", {"name": "仓库", "key": "", **hears})
    tiers = [
        {"name": "金", "entry": '{"op": "attribute", "key": "is_known", "is": "eq", "value": true}'},
        {"name": "其他"},
    ]
    rows = {f"tiers-{n}-{name}": value for n, tier in enumerate(tiers) for name, value in tier.items()}
    counts = {"tiers-TOTAL_FORMS": 2, "tiers-INITIAL_FORMS": 0}
    sign_in(OPERATOR).post("/admin/segments/tierscheme/add/", {"name": "会员等级", "key": "", **rows, **counts})

    assert Source.objects.get(name="微信商城").key == "wei-xin-shang-cheng"
    assert Campaign.objects.get().key == "shuang-shi-yi"
    assert Webhook.objects.get().key == "cang-ku"
    scheme = TierScheme.objects.get()
    assert scheme.key == "hui-yuan-deng-ji"
    assert list(scheme.tiers.values_list("key", "position")) == [("jin", 0), ("qi-ta", 1)]
