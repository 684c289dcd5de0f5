"""Words on consent that somebody tells by hand."""

from datetime import timedelta

import pytest

from profiles.models import Consent, Profile, ProfileChange
from profiles.services.consents import ConsentError, Said, record_consents
from tests.factories.cdp import UserFactory
from tests.factories.profiles import ConsentFactory, ProfileFactory

pytestmark = pytest.mark.django_db


def in_force(profile):
    return dict(Consent.objects.filter(profile=profile).in_force().values_list("channel", "state"))


def test_a_word_is_a_row_with_who_and_when(now):
    ann, user = ProfileFactory(), UserFactory()

    assert record_consents([Said(ann.pk, "sms", "granted", now, "form of 12 May")], user=user, now=now) == 1

    row = Consent.objects.get()
    assert (row.profile, row.origin, row.channel, row.state, row.source) == (ann, ann, "sms", "granted", None)
    assert (row.user, row.recorded_at, row.occurred_at, row.note) == (user, now, now, "form of 12 May")
    assert list(ProfileChange.objects.values_list("profile_id", "topic", "due_at")) == [(ann.pk, "consent:sms", now)]


def test_the_history_stays_and_the_latest_word_counts(now):
    told = ConsentFactory(channel="email", occurred_at=now - timedelta(days=2))
    ann, user = told.profile, UserFactory()

    record_consents([Said(ann.pk, "email", "denied", now)], user=user, now=now)
    record_consents([Said(ann.pk, "email", "granted", now - timedelta(days=1))], user=user, now=now)

    assert in_force(ann) == {"email": "denied"}
    assert Consent.objects.count() == 3


def test_the_same_word_again_is_not_written_again(now):
    ann, user = ProfileFactory(), UserFactory()
    words = [Said(ann.pk, channel, "granted", now) for channel in ("sms", "sms", "email")]

    assert [record_consents(words, user=user, now=now) for _ in range(2)] == [2, 0]

    assert Consent.objects.count() == 2


def test_a_merged_away_profile_means_its_survivor(now):
    ann, absorbed = ProfileFactory(), ProfileFactory()
    Profile.objects.filter(pk=absorbed.pk).update(merged_into=ann)

    record_consents([Said(absorbed.pk, "sms", "denied", now)], user=UserFactory(), now=now)

    assert in_force(ann) == {"sms": "denied"}


def test_words_of_the_erased_are_passed_over(now):
    ann, erased = ProfileFactory(), ProfileFactory(erased_at=now)
    words = [Said(profile.pk, "sms", "denied", now) for profile in (erased, ann)]

    assert record_consents(words, user=UserFactory(), now=now) == 1
    assert record_consents(words[:1], user=UserFactory(), now=now) == 0

    assert list(Consent.objects.values_list("profile", flat=True)) == [ann.pk]


def test_a_clock_that_is_a_little_ahead_is_now(now):
    ann = ProfileFactory()

    record_consents([Said(ann.pk, "sms", "granted", now + timedelta(minutes=4))], user=UserFactory(), now=now)

    assert Consent.objects.get().occurred_at == now


@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(minutes=4), timedelta(minutes=30)])
def test_a_word_of_a_clock_that_is_ahead_is_written_once(now, later):
    ann, ahead = ProfileFactory(), timedelta(minutes=4)
    word, next_word = Said(ann.pk, "sms", "granted", now + ahead), Said(ann.pk, "sms", "granted", now + ahead * 1.1)

    told = [record_consents([word, word], user=UserFactory(), now=at) for at in (now, now + later)]
    another = record_consents([next_word], user=UserFactory(), now=now + later)

    assert (told, another) == ([1, 0], 1)
    times = Consent.objects.order_by("pk").values_list("occurred_at", flat=True)
    assert list(times) == [now, min(now + later, next_word.occurred_at)]


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("channel", {"channel": "fax"}),
        ("occurred_at", {"occurred_at": timedelta(minutes=6)}),
        ("occurred_at", {"occurred_at": timedelta(days=-365 * 60)}),
        ("note", {"note": "x" * 501}),
    ],
)
def test_what_cannot_be_taken_is_refused_with_all_others(now, field, changed):
    ann = ProfileFactory()
    moved = {key: now + value if isinstance(value, timedelta) else value for key, value in changed.items()}
    odd = Said(**{"profile_id": ann.pk, "channel": "sms", "state": "granted", "occurred_at": now} | moved)

    with pytest.raises(ConsentError) as refused:
        record_consents([Said(ann.pk, "email", "granted", now), odd], user=UserFactory(), now=now)

    assert refused.value.field == field
    assert not Consent.objects.exists()


def test_many_words_take_a_fixed_number_of_queries(now, django_assert_num_queries):
    user = UserFactory()
    few, many = ([Said(ProfileFactory().pk, "sms", "granted", now) for _ in range(n)] for n in (1, 20))

    for words in (few, many):
        with django_assert_num_queries(11):
            record_consents(words, user=user, now=now)
