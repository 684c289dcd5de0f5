"""Locking people who may be merged or erased at the same moment."""

import pytest
from django.db import transaction

from profiles.models import Profile
from profiles.refresh.people import lock_survivors
from profiles.services.identity import merge_profiles
from tests.elsewhere import Elsewhere
from tests.factories.profiles import ProfileFactory

NOBODY = 987654


@pytest.mark.django_db
def test_merged_people_are_their_survivors_and_the_erased_are_nobody(now):
    ann, erased = ProfileFactory(), ProfileFactory(erased_at=now)
    away, gone = ProfileFactory(merged_into=ann), ProfileFactory(merged_into=erased, erased_at=now)

    assert lock_survivors([away.pk, ann.pk, erased.pk, gone.pk, NOBODY]) == {away.pk: ann.pk, ann.pk: ann.pk}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_who_is_merged_while_we_wait_is_looked_up_again(now):
    ann, bob, erased = ProfileFactory(), ProfileFactory(), ProfileFactory()
    found = {}

    def look():
        with transaction.atomic():
            found.update(lock_survivors([ann.pk, bob.pk, erased.pk]))

    with transaction.atomic():
        survivor = merge_profiles([ann.pk, bob.pk], user=None, now=now)
        Profile.objects.filter(pk=erased.pk).update(erased_at=now)
        waiting = Elsewhere(look)
        assert waiting.come_as_far_as_it_can()
    waiting.finish()

    assert found == {ann.pk: survivor.pk, bob.pk: survivor.pk}
