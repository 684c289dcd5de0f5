"""A holder that is saved while the one that it depends on is being refreshed."""

import pytest

from cdp.rules.causes import Cause
from cdp.rules.holders import holder_of
from profiles.refresh import full as full_module
from profiles.refresh.full import refresh_in_full
from segments.models import Membership
from tests.factories.profiles import ProfileFactory
from tests.factories.segments import SegmentFactory, lives_in

pytestmark = pytest.mark.django_db


def test_a_dependent_that_was_filled_too_early_is_filled_again(now, monkeypatch):
    """Its own refresh read the inner segment while that was still empty, and nobody else would tell it later."""
    person = ProfileFactory(attributes={"city": "Oslo"})
    inner = SegmentFactory(key="inner", rule=lives_in("Oslo"))
    write_chunk = full_module.write_chunk

    def saved_meanwhile(holder, moves, **how):
        monkeypatch.setattr(full_module, "write_chunk", write_chunk)
        SegmentFactory(key="outer", rule={"op": "segment", "key": "inner"})  # nobody is in it yet, says its refresh
        return write_chunk(holder, moves, **how)

    monkeypatch.setattr(full_module, "write_chunk", saved_meanwhile)
    refresh_in_full(holder_of(f"segment:{inner.key}"), now=now, cause=Cause.RULE)

    assert sorted(Membership.objects.values_list("segment__key", "profile_id")) == [
        ("inner", person.pk),
        ("outer", person.pk),
    ]
