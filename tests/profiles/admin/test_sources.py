"""The page of a source."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from cdp.roles import OPERATOR, VIEWER
from cdp.servers.data_dir import BASE_DIR
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import IdentifierKind, Source, SourceDay
from profiles.models.source import STRATA
from profiles.sdks import OAUTH_SNIPPETS, SNIPPETS
from tests.factories.profiles import SourceFactory
from tests.rsa_keys import id_of, private_pem, public_pem
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def test_the_page_shows_what_became_of_the_messages_of_thirty_days(admin_client):
    source = SourceFactory()
    today = timezone.localdate()
    SourceDay.objects.create(source=source, day=today, n_messages=12_345, n_rejected=6)
    SourceDay.objects.create(source=source, day=today - timedelta(days=30), n_messages=777)

    page = admin_client.get(reverse("admin:profiles_source_change", args=[source.pk])).content.decode()

    assert "12,345" in page
    assert "777" not in page


def test_the_built_in_source_is_neither_listed_nor_to_be_made(admin_client):
    shop, own = SourceFactory(name="Shop"), Source.objects.get(key=STRATA)

    listed = admin_client.get(reverse("admin:profiles_source_changelist")).context["cl"].result_list
    page = admin_client.get(reverse("admin:profiles_source_change", args=[own.pk]), follow=True).content.decode()
    form = admin_client.get(reverse("admin:profiles_source_add")).content.decode()

    assert listed == [shop]
    assert own.write_key not in page
    assert 'value="till"' in form
    assert "built_in" not in form


def test_the_kind_of_previous_ids_is_called_by_its_label_to_those_who_choose_and_those_who_read():
    source = SourceFactory(previous_id_kind=IdentifierKind.objects.get(key="member_card"))
    page = reverse("admin:profiles_source_change", args=[source.pk])

    form = sign_in(OPERATOR, language="zh-hans").get(page).content.decode()
    read = sign_in(VIEWER, username="vic").get(page).content.decode()

    assert re.findall(r"<option[^>]* selected[^>]*>\s*会员卡\s*</option>", form) != []
    assert "Member card" in read
    assert "member_card" not in read


def test_help_stands_only_where_something_can_be_filled_in(admin_client):
    page = reverse("admin:profiles_source_change", args=[SourceFactory().pk])
    help_of_rank = "The higher rank wins"

    assert help_of_rank in admin_client.get(page).content.decode()
    assert help_of_rank not in sign_in(VIEWER).get(page).content.decode()


def connection_of(client, source):
    return client.get(reverse("admin:profiles_source_connection", args=[source.pk])).content.decode()


def test_the_page_says_whether_messages_come(admin_client, time_machine, now):
    time_machine.move_to(now, tick=False)  # "now" is a second long, and today began more than three minutes ago
    source, other = SourceFactory(), SourceFactory()
    assert "Waiting for the first message." in connection_of(admin_client, source)

    accept_messages(other, [{"type": "track"}], received_at=timezone.now())
    assert "Waiting for the first message." in connection_of(admin_client, source)

    accept_messages(source, [{"type": "page", "userId": "u1"}, 7], received_at=timezone.now() - timedelta(minutes=3))
    assert "3\xa0minutes ago" in connection_of(admin_client, source)
    assert "It waits to be processed." in connection_of(admin_client, source)
    assert "1 message was rejected today" in connection_of(admin_client, source)

    process_batch(now=timezone.now())
    assert "Last message: now" in connection_of(admin_client, source)
    assert "It waits to be processed." not in connection_of(admin_client, source)

    Source.objects.filter(pk=source.pk).update(is_enabled=False)
    assert "This source is disabled" in connection_of(admin_client, source)


@pytest.mark.parametrize(("role", "shown"), [(VIEWER, False), (OPERATOR, True)])
def test_only_those_see_the_key_and_how_to_use_it_who_may_change_the_source(role, shown):
    source = SourceFactory(write_key="SECRET-KEY")

    page = sign_in(role).get(reverse("admin:profiles_source_change", args=[source.pk])).content.decode()

    assert ("SECRET-KEY" in page) is shown
    assert all((escape(snippet.name) in page) is shown for snippet in SNIPPETS[:-1])
    assert "Waiting for the first message." in page


def test_a_write_key_is_replaced_and_the_old_one_stays_good_for_as_long_as_asked():
    source = SourceFactory(write_key="OLD")
    address = reverse("admin:profiles_source_write_key", args=[source.pk])
    started_at = timezone.now()

    assert sign_in(OPERATOR).get(address).status_code == 405
    assert sign_in(VIEWER).post(address, {"hours": 24}).status_code == 403
    assert sign_in(OPERATOR).post(address, {"hours": 1}).status_code == 302
    source.refresh_from_db()
    assert source.write_key == "OLD"

    sign_in(OPERATOR).post(address, {"hours": 24})
    source.refresh_from_db()
    assert source.previous_write_key == "OLD"
    assert timedelta(hours=24) <= source.previous_write_key_until - started_at < timedelta(hours=25)
    key = source.write_key
    assert len(key) == 32

    sign_in(OPERATOR).post(address, {"hours": 0})
    source.refresh_from_db()
    assert source.write_key != key
    assert (source.previous_write_key, source.previous_write_key_until) == ("", None)


def test_a_source_with_public_keys_shows_what_the_sdks_call_them_and_one_without_says_nothing_of_oauth(admin_client):
    source = SourceFactory(key="till")
    page = reverse("admin:profiles_source_change", args=[source.pk])
    fields = {"name": "Till", "kind": "till", "rank": 100, "is_enabled": "on", "default_region": "CN"}
    handling = dict.fromkeys(("unplanned_events", "unplanned_attributes", "schema_violations"), "allow")
    assert OAUTH_SNIPPETS[0].name not in admin_client.get(page).content.decode()

    refused = admin_client.post(page, fields | handling | {"oauth_public_keys": private_pem(0)})
    assert "This is a private key" in refused.content.decode()
    saved = admin_client.post(page, fields | handling | {"oauth_public_keys": public_pem(0) + public_pem(1)})

    assert saved.status_code == 302
    shown = admin_client.get(page).content.decode()
    assert f"client id: till; key ids, in the order of the keys: {id_of(0)}, {id_of(1)}" in shown
    assert escape(f'oauth_key_id="{id_of(1)}"') in shown
    assert all(escape(snippet.name) in shown for snippet in OAUTH_SNIPPETS)


def test_the_documentation_has_the_lines_that_the_page_has():
    documented = (BASE_DIR / "docs" / "connecting.md").read_text()

    assert [snippet.name for snippet in SNIPPETS + OAUTH_SNIPPETS if snippet.code not in documented] == []
