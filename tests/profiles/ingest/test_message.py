"""One message, understood or refused."""

from datetime import UTC, datetime, timedelta

import pytest

from profiles.identity.groups import Key
from profiles.ingest.message import MessageError, NobodyError, parse_message
from profiles.models import IdentifierKind, Source

RECEIVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
KINDS = {
    key: IdentifierKind(pk=n, key=key, normaliser=normaliser, priority=n, blocked_values=["SH0001"])
    for n, (key, normaliser) in enumerate(
        [
            ("user_id", "text"),
            ("phone", "phone"),
            ("email", "email"),
            ("anonymous_id", "text"),
            ("device_id", "text"),
        ],
        start=1,
    )
}


def parse(received_at=RECEIVED, sent_at=None, region="CN", **fields):
    payload = {"type": "track", "event": "Viewed", "messageId": "m1", "userId": "u1"} | fields
    return parse_message(
        payload, source=Source(pk=7, default_region=region), kinds=KINDS, received_at=received_at, sent_at=sent_at
    )


def test_an_empty_list_where_an_object_belongs_is_none():
    """As PHP writes an array without anything in it."""
    assert parse(type="identify", traits=[], context=[]).traits == {}
    assert parse(properties=[]).properties == {}


def test_identifiers_come_by_priority_then_value():
    message = parse(
        anonymousId="a1",
        context={
            "traits": {"email": "Ann@Example.com", "phone": 13800138000},
            "externalIds": [
                {"type": "user_id", "id": "u0"},
                {"type": "ga_client_id", "id": "somebody else's"},
                {"type": "phone", "id": "+1 415 555 2671"},
            ],
        },
    )

    assert message.identifiers == (
        Key(1, "u0"),
        Key(1, "u1"),
        Key(2, "+14155552671"),
        Key(2, "+8613800138000"),
        Key(3, "ann@example.com"),
        Key(4, "a1"),
    )
    assert message.traits == {}


@pytest.mark.parametrize("user_id", [42, "42", " 42 "])
def test_a_number_is_an_id_too(user_id):
    assert parse(userId=user_id).identifiers == (Key(1, "42"),)


@pytest.mark.parametrize("user_id", [True, False, 4.5, ["u1"], {"id": "u1"}, "null", 0])
def test_what_is_no_id_is_dropped_and_counted(user_id):
    message = parse(userId=user_id, anonymousId="a1")

    assert (message.identifiers, message.n_blocked) == ((Key(4, "a1"),), 1)


@pytest.mark.parametrize("user_id", [None, "", "000"])
def test_a_message_of_nobody_is_refused(user_id):
    with pytest.raises(NobodyError, match="no identifier that can name anybody"):
        parse(userId=user_id)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"userId": 12345.0}, "userId: is neither a text nor a whole number"),
        ({"userId": True}, "userId: is neither a text nor a whole number"),
        ({"userId": ["a"]}, "userId: is neither a text nor a whole number"),
        ({"userId": "x" * 401}, "userId: has more than 400 characters"),
        ({"userId": "null"}, "userId: is a value that names nobody, such as null or 0"),
        ({"userId": 0}, "userId: is a value that names nobody, such as null or 0"),
        ({"userId": " ", "anonymousId": "000"},
         "userId: is empty; anonymousId: is a value that names nobody, such as null or 0"),
        ({"userId": "SH0001"}, "userId: is a blocked value of its kind"),
        ({"traits": {"phone": "call me", "email": "ann"}},
         "traits.email: does not have the form of its kind; traits.phone: does not have the form of its kind"),
        ({"context": {"device": {"id": False}, "externalIds": [{"type": "google", "id": "7"}]}},
         "context.device.id: is neither a text nor a whole number; "
         "context.externalIds: is of a kind that is not defined"),
        ({"context": {"externalIds": [{"type": "phone", "id": "7"}]}},
         "context.externalIds (phone): does not have the form of its kind"),
        ({"type": "alias", "previousId": "0"}, "previousId: is a value that names nobody, such as null or 0"),
    ],
    ids=["float", "boolean", "list", "long", "null", "zero", "empty", "blocked", "form", "kinds", "external", "alias"],
)  # fmt: skip
def test_a_message_of_nobody_says_why_each_identifier_was_dropped_and_never_its_value(fields, said):
    with pytest.raises(NobodyError) as refused:
        parse(**{"userId": None, **fields})

    assert str(refused.value) == f"no identifier that can name anybody; {said}"


def test_a_message_without_identifiers_says_what_is_taken():
    with pytest.raises(NobodyError) as refused:
        parse(userId=None)

    assert str(refused.value) == (
        "no identifier that can name anybody; taken are userId, anonymousId, context.device.id, context.externalIds, "
        "traits.email, traits.phone"
    )


def test_phones_without_country_are_of_the_sources_region():
    message = parse(userId=None, traits={"phone": "(415) 555-2671"}, region="US")

    assert message.identifiers == (Key(2, "+14155552671"),)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ("2026-01-02T03:04:05.678901+08:00", datetime(2026, 1, 1, 19, 4, 5, 678901, UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-06-02T12:00:00Z", RECEIVED + timedelta(hours=24)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        (None, RECEIVED),
        ("", RECEIVED),
    ],
)
@pytest.mark.parametrize("name", ["timestamp", "originalTimestamp"])
def test_the_time_is_the_clients(name, written, expected):
    assert parse(**{name: written}).occurred_at == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("yesterday", "timestamp 'yesterday' is not an ISO 8601 time"),
        (1767225600, "timestamp 1767225600 is not an ISO 8601 time"),
        ("9999-12-31T23:59:59-10:00", "is not an ISO 8601 time"),
        ("2026-06-02T12:00:01Z", "more than 24 hours ahead"),
        ("1969-12-31T23:59:59Z", "before 1970"),
    ],
)
def test_a_time_that_cannot_be_is_refused(written, reason):
    with pytest.raises(MessageError, match=reason):
        parse(timestamp=written)


def test_a_clock_that_is_off_by_more_than_a_minute_is_corrected():
    slow = {"timestamp": "2026-06-01T10:59:00Z", "sent_at": RECEIVED - timedelta(hours=1)}

    assert parse(**slow).occurred_at == RECEIVED - timedelta(minutes=1)


def test_a_clock_that_is_off_by_a_minute_is_left_alone():
    message = parse(timestamp="2026-06-01T11:58:00Z", sent_at=RECEIVED - timedelta(seconds=60))

    assert message.occurred_at == RECEIVED - timedelta(minutes=2)


def test_a_messages_own_sent_at_goes_before_that_of_its_request():
    message = parse(
        timestamp="2026-06-01T11:58:00Z", sentAt="2026-06-01T12:00:00Z", sent_at=RECEIVED - timedelta(days=1)
    )

    assert message.occurred_at == RECEIVED - timedelta(minutes=2)


def test_a_time_ahead_is_judged_after_the_correction():
    assert parse(timestamp="2027-06-01T12:00:00Z", sentAt="2027-06-01T12:00:00Z").occurred_at == RECEIVED


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"consents": {"email": True}}, RECEIVED),
        ({"consents": {"email": "perhaps"}}, RECEIVED + timedelta(hours=5)),
        ({"city": "Oslo"}, RECEIVED + timedelta(hours=5)),
    ],
)
def test_nobody_has_agreed_later_than_it_was_heard(traits, expected):
    """Else what they say until then would be overruled by it."""
    ahead = {"timestamp": "2026-06-01T17:00:00Z"}

    assert parse(type="identify", traits=traits, **ahead).occurred_at == expected


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "charge"}, "type 'charge' is not taken; taken are identify, track, page, screen, group, alias"),
        ({"type": None}, "type null is not taken"),
        ({"type": {"a": True}}, 'type {"a":true} is not taken'),
        ({"timestamp": True}, "timestamp true is not an ISO 8601 time"),
        ({"timestamp": "soon"}, "timestamp 'soon' is not an ISO 8601 time"),
        ({"messageId": None}, "messageId is not a text"),
        ({"messageId": "m" * 201}, "messageId is longer than 200 characters"),
        ({"event": None}, "event is not a text"),
        ({"event": " "}, "event is not a text"),
        ({"event": "e" * 201}, "event is longer than 200 characters"),
        ({"event": "$identify"}, "event \\$identify is kept for identify messages"),
        ({"event": "$group"}, "event \\$group is kept for group messages"),
        ({"event": "$alias"}, "event \\$alias is kept for alias messages"),
        ({"type": "page", "properties": "Home"}, "properties is not an object"),
        ({"type": "group"}, "groupId is not a text"),
        ({"type": "group", "groupId": " "}, "groupId is not a text"),
        ({"type": "group", "groupId": True}, "groupId is not a text"),
        ({"type": "group", "groupId": "g" * 201}, "groupId is longer than 200 characters"),
        ({"type": "group", "groupId": "g1", "traits": "pro"}, "traits is not an object"),
        ({"type": "alias"}, "previousId is missing"),
        ({"type": "alias", "previousId": ""}, "previousId is missing"),
        ({"properties": [1]}, "properties is not an object"),
        ({"context": "web"}, "context is not an object"),
        ({"context": {"traits": 1}}, "context.traits is not an object"),
        ({"context": {"externalIds": {"user_id": "u1"}}}, "context.externalIds is not a list"),
        ({"context": {"externalIds": ["u1"]}}, "context.externalIds holds something"),
    ],
)
def test_what_is_wrong_is_named(fields, reason):
    with pytest.raises(MessageError, match=reason):
        parse(**fields)


DEEP = {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}}}


@pytest.mark.parametrize(
    ("odd", "n"),
    [
        ({"": 1}, 1),
        ({"a": {"": 1, "k" * 199: 2}}, 2),
        ({"k" * 201: 1}, 1),
        (DEEP, 1),
        ({"consents": ["news"]}, 1),
        ({"consents": "news"}, 1),
        ({"consents": {"e mail": True, "": True, "sms": "maybe", "push": 7, "post": None}}, 4),
    ],
)
def test_an_odd_trait_costs_itself_and_not_the_message(odd, n):
    traits = {"email": "ann@example.com", "city": "Oslo", **odd}

    message = parse(type="identify", traits=traits)

    assert message.traits == {"email": "ann@example.com", "city": "Oslo"}
    assert (message.consents, message.n_odd_traits) == ({}, n)
    assert message.properties == traits


@pytest.mark.parametrize(
    ("word", "state"),
    [(True, "granted"), (False, "denied"), ("Granted", "granted"), ("denied", "denied"), ("yes", "granted"),
     ("false", "denied"), (1, "granted"), (0, "denied")],
)  # fmt: skip
def test_a_consent_is_said_in_many_words(word, state):
    assert parse(type="identify", traits={"consents": {"email": word}}).consents == {"email": state}


def test_the_same_trait_by_our_name_and_by_theirs_is_ours():
    message = parse(
        type="identify", traits={"firstName": "A", "first_name": "B", "lastname": "C", "address": {"zip": "1"}}
    )

    assert message.traits == {"first_name": "B", "last_name": "C", "address.zip": "1"}


def test_a_trait_named_like_what_strata_keeps_itself_is_set_apart():
    assert parse(type="identify", traits={"created_at": "x", "is_known": True}).traits == {
        "traits.created_at": "x",
        "traits.is_known": True,
    }


def test_traits_of_the_message_go_before_those_of_its_context():
    message = parse(
        type="identify",
        traits={"city": "Oslo"},
        context={"traits": {"city": "Rome", "vip": True}, "locale": "nb", "timezone": ""},
    )

    assert message.traits == {"city": "Oslo", "vip": True, "language": "nb"}
    assert message.event == "$identify"
    assert message.properties == message.traits


@pytest.mark.parametrize(("type_", "event"), [("page", "Page Viewed"), ("screen", "Screen Viewed")])
def test_a_view_is_one_event_with_name_and_category_as_properties(type_, event):
    message = parse(
        type=type_, event=None, name="Home", category="Docs", properties={"url": "/", "name": "x", "category": "Docs"}
    )

    assert (message.event, message.traits) == (event, {})
    assert message.properties == {"url": "/", "name": "Home", "category": "Docs"}


@pytest.mark.parametrize("nothing", [{}, {"name": None, "category": "", "properties": None}])
def test_a_view_without_a_name_is_a_view_all_the_same(nothing):
    assert parse(type="page", event=None, **nothing).properties == {}


def test_traits_of_a_group_are_not_those_of_the_person():
    message = parse(
        type="group",
        event=None,
        groupId=7,
        traits={"email": "office@example.com", "plan": "pro"},
        context={"traits": {"email": "ann@example.com"}},
    )

    assert message.event == "$group"
    assert message.properties == {"groupId": "7", "traits": {"email": "office@example.com", "plan": "pro"}}
    assert message.identifiers == (Key(1, "u1"), Key(3, "ann@example.com"))
    assert (message.traits, message.consents) == ({}, {})


def test_an_alias_links_the_previous_id_as_an_anonymous_one():
    message = parse(type="alias", event=None, previousId="visitor")

    assert (message.event, message.properties) == ("$alias", {})
    assert message.identifiers == (Key(1, "u1"), Key(4, "visitor"))


def test_an_alias_of_somebody_to_themselves_links_nothing():
    assert parse(type="alias", event=None, previousId="u1").identifiers == (Key(1, "u1"),)


def test_a_previous_id_that_names_nobody_is_dropped_and_counted():
    message = parse(type="alias", event=None, previousId="undefined")

    assert (message.identifiers, message.n_blocked) == ((Key(1, "u1"),), 1)


def test_a_previous_id_counts_in_an_alias_only():
    assert parse(previousId="visitor").identifiers == (Key(1, "u1"),)


@pytest.mark.parametrize(
    ("device", "identifiers"),
    [
        ({"id": "d1", "type": "ios"}, (Key(1, "u1"), Key(5, "d1"))),
        ({"type": "ios"}, (Key(1, "u1"),)),
        ("iPhone", (Key(1, "u1"),)),
        (None, (Key(1, "u1"),)),
    ],
)
def test_the_id_of_the_device_is_an_identifier(device, identifiers):
    assert parse(context={"device": device}).identifiers == identifiers
