"""Rows that point at nobody."""

import pytest
from django.db import connection

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks  # noqa: F401 - registers the work of runs
from profiles.models import Identifier, IdentityLink, Profile
from profiles.refresh.queue import CHECK
from profiles.services.orphans import count_orphans, unchecked_keys
from tests.factories.profiles import ContributionFactory, EventFactory, IdentifierFactory, ProfileFactory, SourceFactory
from tests.factories.segments import MembershipChangeFactory
from tests.profiles.imports.files import NOW

pytestmark = pytest.mark.django_db


def gone(model, pk):
    """Delete the row alone, as no part of Strata does."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table} WHERE id = %s", [pk])


def test_keys_that_the_database_does_not_check_are_found_by_themselves():
    names = {f"{key.model._meta.label}.{key.name}" for key in unchecked_keys()}

    assert names >= {"profiles.Event.anchor", "profiles.Identifier.profile", "segments.MembershipChange.profile"}
    assert "profiles.Identifier.kind" not in names


def test_rows_of_an_identifier_that_is_gone_are_counted_by_column():
    person = ProfileFactory()
    first, second, kept = IdentifierFactory.create_batch(3, profile=person)
    for right in (second, kept):
        IdentityLink.objects.create(
            left=first, right=right, source=SourceFactory(), message_id="m", occurred_at=person.first_seen_at
        )
    for anchor in (first, first, kept):
        ContributionFactory(anchor=anchor)
    EventFactory(profile=person, anchor=kept)

    assert count_orphans() == {}
    gone(Identifier, first.pk)

    assert count_orphans() == {"profiles_identitylink.left_id": 2, "profiles_contribution.anchor_id": 2}


def test_rows_of_a_profile_that_is_gone_are_counted_by_column():
    person = ProfileFactory()
    anchor = IdentifierFactory(profile=person)
    EventFactory(profile=person, anchor=anchor)
    change = MembershipChangeFactory(profile=person)
    assert (change.profile_id, count_orphans()) == (person.pk, {})

    gone(Profile, person.pk)

    assert count_orphans() == {
        "profiles_event.profile_id": 1,
        "profiles_identifier.profile_id": 1,
        "profiles_lastsight.profile_id": 1,
        "segments_membershipchange.profile_id": 1,
    }


def test_the_nightly_check_reports_them(caplog):
    identifier = IdentifierFactory()
    gone(Profile, identifier.profile_id)
    run = Run.objects.create(kind=CHECK, subject="everything")

    execute_run(run.pk, now=NOW)

    run.refresh_from_db()
    assert (run.state, run.error, run.counts["orphans"]) == ("succeeded", "", 2)
    assert "1 rows of profiles_identifier.profile_id point at nobody" in caplog.text
