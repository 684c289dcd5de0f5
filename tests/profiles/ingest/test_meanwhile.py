"""What others do to people between a batch's first look at them and the identity lock."""

import threading
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import F

from benchmarks.people import visits
from cdp.locks import advisory_lock
from cdp.runs import execute_run
from profiles.identity.errors import IdentityError
from profiles.imports import take
from profiles.ingest import process
from profiles.ingest.accept import accept_messages
from profiles.ingest.process import process_batch
from profiles.ingest.records import new_records_of
from profiles.models import (
    AttributeDefinition,
    Contribution,
    Event,
    Identifier,
    IdentifierKind,
    IdentityLink,
    InboxMessage,
    Profile,
    ProfileMerge,
    RejectedMessage,
    SourceDay,
)
from profiles.services.definitions import save_attribute
from profiles.services.identity import merge_profiles, split_profile, undo_merge
from profiles.services.imports import create_import, queue_import, take_back
from profiles.services.kinds import save_kind
from tags.models import TagAssignment
from tests.elsewhere import Elsewhere
from tests.factories.profiles import SourceFactory
from tests.factories.tags import TagFactory
from tests.profiles.ingest.messages import START, event_names, identify, people, profile_of, send, track

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
NOW = START + timedelta(days=1)
N_MESSAGES = 300


@pytest.fixture
def shop():
    return SourceFactory(key="shop")


@pytest.fixture
def meanwhile(monkeypatch):
    """Process the inbox, and when the batch has looked at its people, but not yet locked them, let `act` happen on
    another connection. It must not bring anything of which both make the definition: of those one waits for the other.
    """

    def process_while(act):
        resolve, batch = process.resolve, threading.current_thread()
        looked = []

        def act_first(*args, **kwargs):
            if threading.current_thread() is batch:
                looked.append(True)
                if len(looked) == 1:
                    Elsewhere(act).finish()
            return resolve(*args, **kwargs)

        monkeypatch.setattr(process, "resolve", act_first)
        n_messages = process_batch(now=NOW).n_messages
        assert looked == [True]  # once: no half of it was tried by itself
        check()
        return n_messages

    return process_while


def check():
    """Every event is with whom its anchor is, and everybody was seen when their events say."""
    assert not Event.objects.exclude(profile_id=F("anchor__profile_id")).exists()
    assert not Event.objects.filter(anchor__isnull=True).exists()
    for profile in Profile.objects.current():
        times = Event.objects.filter(profile=profile).values_list("occurred_at", flat=True)
        assert profile.last_seen_at == max(times)


def check_values():
    """Everybody has the values that what was said of them folds to."""
    assert new_records_of(list(Profile.objects.current().values_list("pk", flat=True))) == {}


def accept(shop, *messages):
    accept_messages(shop, messages, received_at=NOW)


def merge(*names):
    merge_profiles([Identifier.objects.get(value=name).profile_id for name in names], user=None, now=NOW)


def test_who_was_merged_by_hand_is_found_where_they_are_now(shop, meanwhile):
    send(shop, track("Viewed", anonymous="a1"), identify(user="u1", at=1, city="Oslo"))
    accept(shop, track("Ordered", anonymous="a1", at=5), identify(user="u1", at=6, city="Rome"))

    assert meanwhile(lambda: merge("u1", "a1")) == 2

    ann = profile_of("user_id", "u1")
    assert profile_of("anonymous_id", "a1") == ann
    assert event_names(ann) == ["Viewed", "$identify", "Ordered", "$identify"]
    assert ann.attributes == {"city": "Rome"}


def test_who_was_merged_by_another_batch_is_found_where_they_are_now(shop, meanwhile):
    send(shop, track("Viewed", anonymous="a1"), identify(user="u1"), identify(user="u2"))
    accept(shop, identify(anonymous="a1", at=5, city="Oslo"), track("Ordered", user="u2", at=6))

    meanwhile(lambda: send(shop, identify(user="u1", anonymous="a1", at=4, city="Rome")))

    ann, bob = profile_of("user_id", "u1"), profile_of("user_id", "u2")
    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a1")}), frozenset({("user_id", "u2")})}
    assert sorted(event_names(ann)) == ["$identify", "$identify", "$identify", "Viewed"]
    assert event_names(bob) == ["$identify", "Ordered"]
    assert ann.attributes == {"city": "Oslo"}
    assert ann.last_seen_at == START + timedelta(minutes=5)


def test_strangers_whom_another_batch_made_are_not_made_again(shop, meanwhile):
    send(shop, identify(user="u1"))
    accept(shop, track("Viewed", anonymous="a1", at=1), track("Viewed", user="u1", anonymous="a2", at=2))

    meanwhile(lambda: send(shop, track("Ordered", anonymous="a1", at=3), track("Ordered", anonymous="a2", at=4)))

    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a2")}), frozenset({("anonymous_id", "a1")})}
    assert event_names(profile_of("anonymous_id", "a1")) == ["Viewed", "Ordered"]
    assert event_names(profile_of("user_id", "u1")) == ["$identify", "Viewed", "Ordered"]
    assert ProfileMerge.objects.count() == 1


def test_two_settled_people_are_merged_where_another_batch_gave_them_the_names_of_a_message(shop, meanwhile):
    """The message names two strangers, who meanwhile become names of two people who did something in the same batch."""
    send(shop, track("Viewed", anonymous="d1"), track("Viewed", anonymous="d2", at=1))
    accept(
        shop,
        track("Ordered", anonymous="d1", at=2),
        identify(anonymous="d2", at=9, city="Oslo"),
        together("a1", "a2", at=4),
    )

    meanwhile(lambda: send(shop, together("d1", "a1", at=5), together("d2", "a2", at=6)))

    assert {value for person in people() for _kind, value in person} == {"a1", "a2", "d1", "d2"}
    one = Profile.objects.current().get()
    assert event_names(one) == ["Viewed", "Viewed", "Ordered", *["Viewed"] * 3, "$identify"]
    assert one.attributes == {"city": "Oslo"}
    assert Profile.objects.get(merged_into=one).attributes == {}


def together(one, other, *, at):
    return track("Viewed", anonymous=one, at=at) | {"context": {"externalIds": [{"type": "anonymous_id", "id": other}]}}


def test_who_was_taken_apart_is_found_where_their_identifiers_are(shop, meanwhile):
    send(shop, identify(user="u1", anonymous="a1"), track("Viewed", anonymous="a1", at=1))
    accept(shop, track("Ordered", anonymous="a1", at=5), track("Read", user="u1", at=4))

    def split():
        device = Identifier.objects.get(value="a1")
        split_profile(device.profile, [device], user=None, now=NOW)

    meanwhile(split)

    assert profile_of("anonymous_id", "a1") != profile_of("user_id", "u1")
    assert event_names(profile_of("anonymous_id", "a1")) == ["Viewed", "Ordered"]
    assert event_names(profile_of("user_id", "u1")) == ["$identify", "Read"]


def test_who_lives_again_is_found(shop, meanwhile):
    send(shop, track("Viewed", anonymous="a1"), identify(user="u1", at=1))
    merge("u1", "a1")
    accept(shop, track("Ordered", anonymous="a1", at=5), track("Read", user="u1", at=4))

    meanwhile(lambda: undo_merge(ProfileMerge.objects.get(), user=None, now=NOW))

    assert event_names(profile_of("anonymous_id", "a1")) == ["Viewed", "Ordered"]
    assert event_names(profile_of("user_id", "u1")) == ["$identify", "Read"]


def test_what_an_import_alone_has_named_may_be_taken_back(shop, meanwhile):
    send(shop, identify(user="u1", anonymous="a1"))
    taken_back = Identifier.objects.get(value="a1")
    Identifier.objects.filter(pk=taken_back.pk).update(import_id=7)
    accept(shop, track("Ordered", anonymous="a1", at=5))

    def take_back():
        with transaction.atomic():
            advisory_lock("identity")
            taken_back.delete()

    meanwhile(take_back)

    made = Identifier.objects.get(value="a1")
    assert made.profile_id != taken_back.profile_id
    assert event_names(made.profile) == ["Ordered"]


def load(shop, content, mapping):
    """An import whose run has ended."""
    import_ = create_import(ContentFile(content.encode()), name="file.csv", source=shop, mapping=mapping, now=NOW)
    execute_run(queue_import(import_, user=None).pk, now=NOW)
    return import_


def take_all_back(import_):
    execute_run(take_back(import_, user=None).pk, now=NOW)


CARDS = {"identifiers": {"Card": "member_card", "User": "user_id"}, "traits": {"City": "city", "Name": "name"}}


def test_nothing_is_written_of_who_was_erased(shop, meanwhile):
    """Somebody whom an import alone had named goes with it: the message makes another person."""
    import_ = load(SourceFactory(key="till"), "Card,User,City,Name\n,u1,Oslo,Ann\n", CARDS)
    gone = profile_of("user_id", "u1")
    accept(shop, identify(user="u1", at=5, zip="10115"), track("Ordered", user="u1", anonymous="a1", at=6))

    assert meanwhile(lambda: take_all_back(import_)) == 2

    gone.refresh_from_db()
    assert (gone.erased_at, gone.attributes) == (NOW, {})
    for model in (Event, Identifier):
        assert not model.objects.filter(profile_id=gone.pk).exists()
    ann = profile_of("user_id", "u1")
    assert ann.pk != gone.pk
    assert ann.attributes == {"zip": "10115"}
    assert event_names(ann) == ["$identify", "Ordered"]
    assert people() == {frozenset({("user_id", "u1"), ("anonymous_id", "a1")})}
    assert set(Contribution.objects.values_list("anchor__profile_id", "value")) == {(ann.pk, "10115")}
    check_values()


def test_what_an_import_said_before_it_was_taken_back_does_not_last(shop, meanwhile):
    """The person is known by others too, so stays; the message is newer than what is left, not than what there was."""
    send(shop, identify(user="u1", at=1, city="Bonn", zip="53111"))
    till = SourceFactory(key="till")
    import_ = load(till, "Card,User,City,Name\nVIP001,u1,Oslo,Ann\n", CARDS)
    assert profile_of("user_id", "u1").attributes == {"city": "Oslo", "name": "Ann", "zip": "53111"}
    accept(shop, identify(user="u1", at=5, zip="10115"), track("Ordered", user="u1", at=6))

    meanwhile(lambda: take_all_back(import_))

    ann = profile_of("user_id", "u1")
    assert people() == {frozenset({("user_id", "u1")})}
    assert ann.attributes == {"city": "Bonn", "zip": "10115"}
    assert event_names(ann) == ["$identify", "$identify", "Ordered"]
    assert ann.last_seen_at == START + timedelta(minutes=6)
    check_values()


def test_who_was_merged_twice_and_who_was_merged_and_taken_apart_are_found(shop, meanwhile):
    send(shop, *[identify(user=user, at=n, city=user) for n, user in enumerate(["u1", "u2", "u3", "u4", "u5"])])
    IdentifierKind.objects.update(limit_per_profile=None)
    accept(shop, *[identify(user=f"u{n}", at=10 + n, zip=str(n)) for n in range(1, 6)])

    def merge_and_undo():
        merge("u2", "u3")
        merge("u1", "u2")
        merge("u4", "u5")
        undo_merge(ProfileMerge.objects.latest("pk"), user=None, now=NOW)

    meanwhile(merge_and_undo)

    assert people() == {
        frozenset({("user_id", "u1"), ("user_id", "u2"), ("user_id", "u3")}),
        frozenset({("user_id", "u4")}),
        frozenset({("user_id", "u5")}),
    }
    assert profile_of("user_id", "u1").attributes == {"city": "u3", "zip": "3"}
    assert profile_of("user_id", "u5").attributes == {"city": "u5", "zip": "5"}
    check_values()
    assert Event.objects.count() == 10


def test_a_word_of_a_file_that_was_planned_is_not_lost_where_its_person_was_erased(shop, monkeypatch):
    """A file says something of somebody whom another import has made, which is taken back before it can be written."""
    first = load(SourceFactory(key="till"), "Card,User,City,Name\nVIP001,,Oslo,Ann\n", CARDS)
    gone, claim = profile_of("member_card", "VIP001"), take.claim

    def claim_late(messages, events):
        Elsewhere(lambda: take_all_back(first)).finish()
        return claim(messages, events)

    monkeypatch.setattr(take, "claim", claim_late)
    TagFactory(key="gold")
    load(shop, "Card,User,City,Name\nVIP001,,Bonn,\n", CARDS | {"tags": [{"tag": "gold"}]})

    check()
    ann = profile_of("member_card", "VIP001")
    assert ann.pk != gone.pk
    assert ann.attributes == {"city": "Bonn"}
    assert TagAssignment.objects.get().profile_id == ann.pk
    assert not Event.objects.filter(profile_id=gone.pk).exists()


@pytest.mark.parametrize(
    ("edit", "folded"),
    [({"survivorship": "first"}, "5"), ({"type": "number"}, 7), ({"type": "number", "survivorship": "max"}, 9)],
    ids=["survivorship", "type", "both"],
)
def test_a_definition_that_is_edited_meanwhile_counts_for_what_the_batch_writes(shop, meanwhile, edit, folded):
    """What folds everybody again waits for the batch, which knows the definition as it was."""
    send(shop, identify(user="u1", at=1, seats="5"), identify(user="u1", at=2, seats="9"))
    accept(shop, identify(user="u1", at=5, seats="7"), identify(user="u2", at=5, seats="7"))
    folding = []

    def edit_and_fold():
        definition = AttributeDefinition.objects.get(key="seats")
        for field, value in edit.items():
            setattr(definition, field, value)
        run = save_attribute(definition, user=None)
        folding.append(Elsewhere(lambda: execute_run(run.pk, now=NOW)))
        assert folding[0].come_as_far_as_it_can()

    meanwhile(edit_and_fold)
    folding[0].finish()

    assert profile_of("user_id", "u1").attributes == {"seats": folded}
    assert profile_of("user_id", "u2").attributes == {"seats": 7 if "type" in edit else "7"}
    check_values()


@pytest.mark.parametrize(
    ("edit", "after"),
    [
        ({"blocked_values": ["u1"]}, {("user_id", "u1"), ("anonymous_id", "a1")}),
        ({"limit_per_profile": 1}, {("user_id", "u1"), ("anonymous_id", "a1")}),
    ],
    ids=["blocked value", "limit"],
)
def test_a_kind_is_edited_once_the_batch_has_written_by_it(shop, meanwhile, edit, after):
    """Nobody is written by two versions of a kind: who edits it waits for the batch."""
    key = "user_id" if "blocked_values" in edit else "anonymous_id"
    IdentifierKind.objects.update(limit_per_profile=None)
    accept(shop, track("Viewed", user="u1", anonymous="a1", at=1))
    editing = []

    def edit_kind():
        kind = IdentifierKind.objects.get(key=key)
        for field, value in edit.items():
            setattr(kind, field, value)
        editing.append(Elsewhere(lambda: save_kind(kind, user=None)))
        assert editing[0].come_as_far_as_it_can()

    meanwhile(edit_kind)
    editing[0].finish()
    assert people() == {frozenset(after)}
    send(shop, track("Ordered", user="u1", anonymous="a2", at=2))

    assert people() == {frozenset(after), frozenset({("anonymous_id", "a2")})}


def test_an_earlier_sight_that_another_batch_tells_is_kept(shop, meanwhile):
    send(shop, identify(user="u1", anonymous="a1", at=9))
    accept(shop, identify(user="u1", anonymous="a1", at=5))

    meanwhile(lambda: send(shop, identify(user="u1", anonymous="a1", at=2), identify(user="u1", at=20)))

    first = START + timedelta(minutes=2)
    assert set(Identifier.objects.values_list("first_seen_at", flat=True)) == {first}
    assert IdentityLink.objects.get().occurred_at == first
    assert Profile.objects.get().first_seen_at == first
    assert Profile.objects.get().last_seen_at == START + timedelta(minutes=20)


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        (track("Buy", user="u1", at=5), False),
        (track("Buy", user="u1", anonymous="a1", at=5), False),
        (track("Buy", user="u1", at=-5), True),  # first seen earlier than was known
        (identify(user="u1", city="Rome", at=5), True),
        (identify(user="u1", at=5, consents={"email": "denied"}), True),
        (track("Buy", user="u1", anonymous="new", at=5), True),
        (track("Buy", user="u1", anonymous="a1", at=1), True),  # a join that may have come before a word
    ],
)
def test_who_merely_does_something_is_not_waited_for(shop, message, waits):
    send(shop, identify(user="u1", anonymous="a1", city="Oslo", at=2))
    accept_messages(shop, [message], received_at=NOW)

    with transaction.atomic():
        Profile.objects.select_for_update(no_key=True).get(pk=profile_of("user_id", "u1").pk)
        batch = Elsewhere(lambda: process_batch(now=NOW))
        waited = batch.come_as_far_as_it_can()
    batch.finish()

    assert waited == waits
    assert InboxMessage.objects.count() == 0


def test_a_word_of_the_same_source_that_is_later_stays(shop, meanwhile):
    send(shop, identify(user="u1", at=1, city="Oslo"))
    accept(shop, identify(user="u1", at=5, city="Rome"))

    meanwhile(lambda: send(shop, identify(user="u1", at=7, city="Bonn")))

    assert Profile.objects.get().attributes == {"city": "Bonn"}
    assert Contribution.objects.get().value == "Bonn"


def test_workers_and_hands_at_once_leave_everything_with_whom_it_belongs(shop):
    """Two workers share an inbox while somebody merges people, takes them apart and undoes what was done."""
    IdentifierKind.objects.update(limit_per_profile=None)
    sent = list(visits(N_MESSAGES, n_people=12, now=NOW, seed=3))
    send(shop, *sent[:100])
    accept(shop, *sent[100:], *sent[::7])
    errors = []

    def work(act):
        try:
            act()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    def empty_inbox():
        while process_batch(now=NOW, limit=9).n_messages:
            pass

    threads = [
        threading.Thread(target=work, args=[act]) for act in (empty_inbox, empty_inbox, lambda: meddle(Random(5)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)

    assert errors == []
    assert not any(thread.is_alive() for thread in threads)
    assert not InboxMessage.objects.exists()
    assert not RejectedMessage.objects.exists()
    assert Event.objects.count() == N_MESSAGES
    assert not Event.objects.exclude(profile_id=F("anchor__profile_id")).exists()
    current = set(Profile.objects.current().values_list("pk", flat=True))
    assert set(Identifier.objects.values_list("profile_id", flat=True)) == current
    assert new_records_of(current) == {}


def meddle(chance):
    """Do thirty things by hand that may be refused, to whoever is there."""
    for _time in range(30):
        profiles = list(Profile.objects.current())
        merges = list(ProfileMerge.objects.filter(undone_at=None))
        one = chance.choice(profiles)
        with suppress(IdentityError, Profile.DoesNotExist):
            what = chance.randrange(3)
            if what == 0:
                merge_profiles([one.pk, chance.choice(profiles).pk], user=None, now=NOW)
            elif what == 1:
                split_profile(one, list(one.identifiers.all())[:1], user=None, now=NOW)
            elif merges:
                undo_merge(chance.choice(merges), user=None, now=NOW)


@pytest.mark.parametrize("time", [{}, {"time": {"constant": "2026-01-31"}}], ids=["untimed", "timed"])
def test_a_file_that_is_imported_twice_at_once_is_counted_once(monkeypatch, time):
    till = SourceFactory(key="till")
    content, claim = "Card,User,City,Name\nVIP001,,Oslo,Ann\nVIP002,,Bonn,Bob\n", take.claim
    found, second = [], []

    def claim_late(messages, events):
        if not second:  # the first has planned its batch, and has not written it
            second.append(Elsewhere(lambda: found.append(load(till, content, CARDS | time))))
            assert second[0].come_as_far_as_it_can()
        return claim(messages, events)

    monkeypatch.setattr(take, "claim", claim_late)
    found.append(load(till, content, CARDS | time))
    second[0].finish()

    first, second_one = sorted(found, key=lambda import_: import_.pk)
    for import_ in found:
        import_.refresh_from_db()
    assert first.counts == {"new": 2, "refused_rows": []}
    assert second_one.counts == {"unchanged": 2, "refused_rows": []}
    assert people() == {frozenset({("member_card", "VIP001")}), frozenset({("member_card", "VIP002")})}
    assert Event.objects.count() == 2
    assert list(SourceDay.objects.values_list("source", "n_messages")) == [(till.pk, 2)]
