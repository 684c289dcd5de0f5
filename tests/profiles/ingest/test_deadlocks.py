"""Whoever holds the identity lock makes nothing that others may have made who wait for it."""

import threading
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile

from cdp.runs import execute_run
from profiles.imports import take
from profiles.ingest import process
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.models import AttributeDefinition, Event, EventDefinition, InboxMessage, MessageKey, RejectedMessage
from profiles.services.imports import create_import, queue_import
from tests.elsewhere import Elsewhere
from tests.factories.profiles import SourceFactory
from tests.factories.tags import TagFactory
from tests.profiles.ingest.messages import START, identify, people, track

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


def work_off(shop, *messages):
    """As a worker: what is in the inbox by now, and these."""
    accept_messages(shop, messages, received_at=NOW)
    while process_batch(now=NOW).n_messages:
        pass


@pytest.mark.parametrize(
    "new",
    [
        track("Rated", user="u9", at=9),
        identify(user="u9", at=9, shoe_size=44),
        track("Viewed", user="u9", at=9, id="sent twice"),
    ],
    ids=["event", "attribute", "message"],
)
def test_a_batch_that_is_halved_and_another_that_brings_the_same_news_do_not_wait_for_each_other(
    shop, monkeypatch, new
):
    """The other comes when one half is done, and gets as far as it can before the second begins."""
    batch, others = threading.current_thread(), []
    whole_rows, whole_consents = process.process_rows, process.write_consents

    def process_rows(rows, **options):
        is_second_half = threading.current_thread() is batch and "the poison" in rows[-1].payload and len(rows) == 2
        if is_second_half and not others:
            others.append(Elsewhere(lambda: work_off(shop, new)))
            others[0].come_as_far_as_it_can()
        return whole_rows(rows, **options)

    def write_consents(messages, anchors):
        if any(each.message_id == "the poison" for each in messages):
            raise ValueError("poison")
        return whole_consents(messages, anchors)

    monkeypatch.setattr(process, "process_rows", process_rows)
    monkeypatch.setattr(process, "write_consents", write_consents)
    viewed = [track("Viewed", user=f"u{n}") for n in range(2)]
    EventDefinition.objects.create(name="Viewed")

    work_off(shop, *viewed, new, track("Viewed", user="u3", id="the poison"))
    others[0].finish()

    assert not InboxMessage.objects.exists()
    assert RejectedMessage.objects.get().reason == "could not be processed: ValueError: poison"
    assert people() == {frozenset({("user_id", user)}) for user in ("u0", "u1", "u9")}
    assert Event.objects.count() == MessageKey.objects.count() == 3
    assert EventDefinition.objects.filter(name="Rated").count() == (new.get("event") == "Rated")
    assert AttributeDefinition.objects.filter(key="shoe_size").count() == (new["type"] == "identify")


def test_an_import_of_tags_and_messages_of_a_new_attribute_do_not_wait_for_each_other(shop, monkeypatch):
    """A message of the same attribute comes when the import has the identity lock."""
    others, lock_profiles = [], take.lock_profiles

    def after_others(profile_ids):
        others.append(Elsewhere(lambda: work_off(shop, identify(user="u1", shoe_size=44))))
        others[0].come_as_far_as_it_can()
        return lock_profiles(profile_ids)

    monkeypatch.setattr(take, "lock_profiles", after_others)
    TagFactory(key="runner")
    mapping = {"identifiers": {"User": "user_id"}, "traits": {"Size": "shoe_size"}, "tags": [{"tag": "runner"}]}
    import_ = create_import(
        ContentFile(b"User,Size\nu1,43\nu2,42\n"), name="sizes.csv", source=shop, mapping=mapping, now=NOW
    )

    execute_run(queue_import(import_, user=None).pk, now=NOW)
    others[0].finish()

    import_.refresh_from_db()
    assert (import_.run.state, import_.counts["tags"]) == ("succeeded", 2)
    assert Event.objects.count() == 3
    assert AttributeDefinition.objects.filter(key="shoe_size").count() == 1


def test_a_file_that_is_halved_and_messages_of_a_new_attribute_do_not_wait_for_each_other(shop, monkeypatch):
    importing, others = threading.current_thread(), []
    whole_take, whole_consents = take.Taking.take, process.write_consents

    def take_rows(taking, rows):
        if [row.understood.row.number for row in rows] == [3, 4] and not others:
            others.append(Elsewhere(lambda: work_off(shop, identify(user="u9", shoe_size=44))))
            others[0].come_as_far_as_it_can()
        return whole_take(taking, rows)

    def write_consents(messages, anchors):
        if threading.current_thread() is importing and any(
            each.properties.get("name") == "Poison" for each in messages
        ):
            raise ValueError("poison")
        return whole_consents(messages, anchors)

    monkeypatch.setattr(take.Taking, "take", take_rows)
    monkeypatch.setattr(process, "write_consents", write_consents)
    content = b"User,Name,Size\nu1,Ann,\nu2,Bob,\nu3,Cem,43\nu4,Poison,\n"
    mapping = {"identifiers": {"User": "user_id"}, "traits": {"Name": "name", "Size": "shoe_size"}}
    import_ = create_import(ContentFile(content), name="sizes.csv", source=shop, mapping=mapping, now=NOW)

    execute_run(queue_import(import_, user=None).pk, now=NOW)
    others[0].finish()

    import_.refresh_from_db()
    assert (import_.run.state, import_.run.error) == ("succeeded", "")
    assert import_.counts == {"new": 3, "refused": 1, "refused_rows": ["5"]}
    assert people() == {frozenset({("user_id", user)}) for user in ("u1", "u2", "u3", "u9")}
