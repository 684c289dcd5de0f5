"""Tagging many people in the admin."""

import pytest

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from tags.models import BulkTagging
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.factories.tags import TagAssignmentFactory, TagFactory, TagValueFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
PEOPLE = "/admin/profiles/profile/"


def test_people_are_tagged_by_a_pasted_list():
    tag = TagFactory()
    known = IdentifierFactory()
    lines = f"{known.value}\n\n{known.value}\nnobody-has-this"

    answer = sign_in(OPERATOR).post(
        f"/admin/tags/tag/{tag.pk}/people/",
        {"what": "assign", "choice": f"{tag.pk}:", "kind": known.kind.pk, "identifiers": lines, "until": "2030-01-31"},
        follow=True,
    )

    bulk = BulkTagging.objects.get()
    assert bulk.profile_ids == [known.profile_id]
    assert bulk.expires_at.isoformat() == "2030-01-31T16:00:00+00:00"
    assert "nobody-has-this" in answer.content.decode()
    assert Run.objects.get().kind == "tag_people"


def test_people_are_tagged_by_a_segment():
    tag, segment = TagFactory(), SegmentFactory(key="loyal")
    gold = TagValueFactory(tag=tag)
    member = MembershipFactory(segment=segment).profile
    ProfileFactory()

    sign_in(OPERATOR).post(
        f"/admin/tags/tag/{tag.pk}/people/", {"what": "assign", "choice": f"{tag.pk}:{gold.pk}", "segment": "loyal"}
    )

    assert (BulkTagging.objects.get().profile_ids, BulkTagging.objects.get().value) == ([member.pk], gold)


def test_a_value_or_the_whole_tag_is_taken_off():
    tag = TagFactory(expires_after_days=30)
    gold = TagValueFactory(tag=tag)
    known = IdentifierFactory()
    given = {"what": "remove", "kind": known.kind.pk, "identifiers": known.value}
    address = f"/admin/tags/tag/{tag.pk}/people/"

    for choice in (f"{tag.pk}:{gold.pk}", f"{tag.pk}:"):
        sign_in(OPERATOR).post(address, given | {"choice": choice})
    refused = sign_in(OPERATOR).post(address, given | {"what": "assign", "choice": f"{tag.pk}:"}).content.decode()

    assert list(BulkTagging.objects.order_by("pk").values_list("value", "expires_at")) == [
        (gold.pk, None),
        (None, None),
    ]
    assert "needs a value" in refused


def test_all_whom_the_filters_find_are_tagged():
    tag, other = TagFactory(), TagFactory()
    found = [TagAssignmentFactory(tag=other).profile.pk for _ in range(3)]
    ProfileFactory()
    client = sign_in(OPERATOR)
    chosen = {"action": "tag_people", "index": "0", "select_across": "1", "_selected_action": found[:1]}

    asked = client.post(f"{PEOPLE}?tag={other.pk}", chosen)
    client.post(f"{PEOPLE}?tag={other.pk}", chosen | {"apply": "1", "choice": f"{tag.pk}:"})
    assert not BulkTagging.objects.exists()
    # The name `action` is that of the admin: the form says what to do beside it.
    client.post(f"{PEOPLE}?tag={other.pk}", chosen | {"apply": "1", "what": "assign", "choice": f"{tag.pk}:"})

    assert asked.context["n_people"] == 3
    assert BulkTagging.objects.get().profile_ids == sorted(found)


def test_who_may_only_look_tags_nobody():
    tag, ann = TagFactory(), ProfileFactory()
    client = sign_in(VIEWER)

    listed = client.get(PEOPLE).content.decode()
    refused = client.post(f"/admin/tags/tag/{tag.pk}/people/", {})
    client.post(PEOPLE, {"action": "tag_people", "_selected_action": [ann.pk], "apply": "1", "what": "assign"})

    assert "tag_people" not in listed
    assert refused.status_code == 403
    assert not BulkTagging.objects.exists()


def test_a_form_without_people_says_so():
    tag = TagFactory()

    answer = sign_in(OPERATOR).post(f"/admin/tags/tag/{tag.pk}/people/", {"what": "assign", "choice": f"{tag.pk}:"})

    assert "Paste identifiers, or choose a segment." in answer.content.decode()
