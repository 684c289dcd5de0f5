"""Members as a download, over HTTP and in the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from tests.clients import api_of
from tests.factories.segments import MembershipFactory, SegmentFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def test_the_api_streams_members_and_the_audit_knows():
    segment = SegmentFactory(key="oslo")
    inside = MembershipFactory(segment=segment)
    MembershipFactory()

    answer = api_of("operator").send("get", "segments/oslo/export/?format=ndjson")
    body = answer.getvalue().decode()

    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"] == 'attachment; filename="oslo.ndjson"'
    assert body.startswith(f'{{"profile":"{inside.profile.public_id}","entered_at":"2026-01-01T00:00:00Z"')
    assert body.count("\n") == 1
    assert LogEntry.objects.get().change_message == "Exported the members as NDJSON."


@pytest.mark.parametrize("accept", ["text/csv", "text/csv, application/x-ndjson, application/problem+json"])
def test_clients_may_ask_for_the_types_that_the_schema_names(accept):
    SegmentFactory(key="oslo")
    api = api_of("operator")

    answer = api.send("get", "segments/oslo/export/?format=csv", accept=accept)
    refused = api.send("get", "segments/oslo/export/?format=xls", accept=accept)

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_an_unknown_format_is_refused_and_names_those_that_there_are():
    SegmentFactory(key="oslo")

    answer = api_of("operator").send("get", "segments/oslo/export/?format=xls").json()

    assert answer["errors"] == [{"path": "format", "message": "one of: csv, ndjson, parquet"}]


def test_the_page_of_members_offers_it():
    member = MembershipFactory()
    address = f"/admin/segments/segment/{member.segment_id}/"
    client = sign_in("viewer")

    page = client.get(f"{address}members/").content.decode()
    answer = client.post(f"{address}export/", {"format": "csv"})

    assert f"{address}export/" in page
    assert str(member.profile.public_id) in answer.getvalue().decode()
    assert client.get(f"{address}export/").status_code == 405
