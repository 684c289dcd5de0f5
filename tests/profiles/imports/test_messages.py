"""The ids of messages that rows become."""

from datetime import UTC, datetime, timedelta

import pytest

from profiles.identity.groups import Key
from profiles.imports.messages import Messages
from profiles.imports.readers import Row
from profiles.imports.understand import Understood
from profiles.models import Consent

KEYS = (Key(5, "VIP1"), Key(4, "+8613800138000"))


@pytest.mark.parametrize(
    ("at", "id_"),
    [
        (datetime(2026, 1, 1, 2, 5, tzinfo=UTC), "import-identify-b18de8b59dfa68d7d81f824313de7026"),
        (datetime(2026, 1, 1, 2, 5, 7, 89, tzinfo=UTC), "import-identify-0ce1fdab52cfc720d9e76b5c29f3a9ce"),
    ],
    ids=["minute", "microsecond"],
)
def test_a_row_with_a_time_has_the_id_that_it_has_always_had(at, id_):
    """Were it another, a file that was taken in before would be taken in again."""
    consents = {"sms": Consent.State.GRANTED}
    row = Understood(Row(1, 2, {}, ()), KEYS, 0, {"name": "张三"}, consents, "", {}, (), at, {}, [])
    messages = Messages(import_id=1, source_id=2, creates_people=True, now=at, occurrences=lambda _digest: 1)

    assert messages.identify_id(row) == id_


@pytest.mark.parametrize(("consents", "is_cut"), [({"sms": Consent.State.GRANTED}, True), ({}, False)])
def test_a_word_of_a_time_to_come_is_of_the_import(consents, is_cut):
    """Under the id of the time that the row has, so that the same row says it once."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ahead = now + timedelta(hours=5)
    row = Understood(Row(1, 2, {}, ()), KEYS, 0, {"name": "张三"}, consents, "Visited", {}, (), ahead, {}, [])
    messages = Messages(import_id=1, source_id=2, creates_people=True, now=now, occurrences=lambda _digest: 1)

    found = messages.of(row)

    assert (found.identify.occurred_at, found.event.occurred_at) == (now if is_cut else ahead, ahead)
    assert found.identify.message_id == messages.identify_id(row)
