"""Tags that never end, as other systems say it, on every way in and out."""

from datetime import UTC, datetime

import pytest

from tags.models import BulkTagging, TagAssignment
from tests.clients import api_of
from tests.factories.profiles import IdentifierFactory
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)
NEVER = ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59+08:00"]


@pytest.mark.parametrize("written", NEVER)
def test_it_is_set_over_http_and_shown(written):
    tag, known = TagFactory(key="vip"), IdentifierFactory()
    api, client = api_of("admin"), sign_in("admin")
    people = {"profiles": [str(known.profile.public_id)]}
    ends = LAST.replace(hour=15) if "+08" in written else LAST

    assigned = api.send("post", "tags/vip/assignments/", {**people, "expires_at": written})
    queued = api.send("post", "tags/vip/bulk/", {**people, "action": "assign", "expires_at": written})

    assert (assigned.status_code, queued.status_code) == (200, 202)
    assert (TagAssignment.objects.get().expires_at, BulkTagging.objects.get().expires_at) == (ends, ends)
    shown = ends.isoformat().replace("+00:00", "Z")
    assert api.send("get", "tags/vip/profiles/").json()["results"][0]["expires_at"] == shown
    assert api.send("get", "tags/vip/bulk/").json()["results"][0]["expires_at"] == shown
    page = f"/admin/profiles/profile/{known.profile_id}/"
    for path in (f"{page}change/", f"{page}explain/?tag=vip"):
        answer = client.get(path)
        assert (answer.status_code, "9999-12-31 23:59" in answer.content.decode()) == (200, True)
    assert client.get(f"/admin/tags/tag/{tag.pk}/people/").status_code == 200


def test_it_is_set_on_the_pages():
    tag, known = TagFactory(), IdentifierFactory()
    choice, client = f"{tag.pk}:", sign_in("admin")
    people = {"what": "assign", "choice": choice, "kind": known.kind.pk, "identifiers": known.value}

    client.post(f"/admin/tags/tag/assign/{known.profile_id}/", {"choice": choice, "until": "9999-12-31"})
    client.post(f"/admin/tags/tag/{tag.pk}/people/", {**people, "until": "9999-12-31"})

    assigned, bulk = TagAssignment.objects.get(), BulkTagging.objects.get()
    assert assigned.expires_at == bulk.expires_at == datetime.max.replace(tzinfo=UTC)
    assert assigned.last_day.isoformat() == "9999-12-31"
    page = client.get(f"/admin/profiles/profile/{known.profile_id}/change/")
    assert 'name="until" value="9999-12-31"' in page.content.decode()
