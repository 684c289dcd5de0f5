"""People as a file."""

import csv
import io

import orjson
import pytest
from pyarrow import parquet

from cdp.roles import OPERATOR, VIEWER
from profiles.masking import MASK
from profiles.models import AttributeDefinition, Profile
from profiles.services import export
from profiles.services.export import FileFormat, people_in_file
from segments.models import Membership
from tests.factories.cdp import UserFactory
from tests.factories.profiles import IdentifierFactory, ProfileFactory
from tests.factories.segments import MembershipFactory, StaticSegmentFactory

pytestmark = pytest.mark.django_db


def file_of(file_format, role=OPERATOR):
    rows = Profile.objects.order_by("pk")
    user = UserFactory(role=role)
    pieces = people_in_file(
        rows, extra={"first_seen_at": "first_seen_at"}, file_format=FileFormat(file_format), user=user
    )
    return b"".join(pieces)


def ann():
    AttributeDefinition.objects.create(key="points", type="number")
    AttributeDefinition.objects.create(key="likes", type="list")
    person = ProfileFactory(
        attributes={"name": "=cmd()", "city": "奥斯陆", "points": 3, "likes": ["tea", "go"], "undefined": "x"}
    )
    IdentifierFactory(profile=person, kind_key="email", value="ann@example.com")
    IdentifierFactory(profile=person, kind_key="email", value="ann@work.example")
    return person


def test_csv_is_safe_in_spreadsheets_and_names_what_it_holds():
    person = ann()
    ProfileFactory(attributes={})

    text = file_of("csv").decode()
    first, second = csv.DictReader(io.StringIO(text.removeprefix(export.BOM)))

    assert text.startswith(export.BOM)
    assert first["profile"] == str(person.public_id)
    assert first["first_seen_at"] == "2026-01-01T00:00:00+00:00"
    assert first["identifiers.email"] == "ann@example.com; ann@work.example"
    assert (first["attributes.name"], first["attributes.city"]) == ("'=cmd()", "奥斯陆")
    assert (first["attributes.points"], first["attributes.likes"]) == ("3", "tea; go")
    assert "attributes.undefined" not in first
    assert second["attributes.name"] == ""


def test_ndjson_nests_them():
    person = ann()

    (line,) = file_of("ndjson").splitlines()

    assert orjson.loads(line) == {
        "profile": str(person.public_id),
        "first_seen_at": "2026-01-01T00:00:00Z",
        "identifiers": {"email": ["ann@example.com", "ann@work.example"]},
        "attributes": {"name": "=cmd()", "city": "奥斯陆", "points": 3, "likes": ["tea", "go"]},
    }


@pytest.mark.parametrize("file_format", FileFormat)
def test_a_file_holds_those_of_the_moment_it_began_whatever_comes_and_goes_meanwhile(file_format, monkeypatch):
    monkeypatch.setattr(export, "BATCH", 2)
    monkeypatch.setattr(export, "PARQUET_BATCH", 2)
    segment = StaticSegmentFactory()
    before = [MembershipFactory(segment=segment).profile for _number in range(7)]
    rows = Membership.objects.filter(segment=segment).order_by("profile_id")
    pieces = people_in_file(
        rows, profile="profile__", extra={}, file_format=file_format, user=UserFactory(role=OPERATOR)
    )

    first = next(pieces)
    rows.filter(profile__in=before[:3] + before[5:]).delete()
    MembershipFactory.create_batch(3, segment=segment)
    text = first + b"".join(pieces)

    assert [line["profile"] for line in read(file_format, text)] == [str(person.public_id) for person in before]


def read(file_format, text):
    if file_format == FileFormat.PARQUET:
        return parquet.read_table(io.BytesIO(text)).to_pylist()
    if file_format == FileFormat.NDJSON:
        return [orjson.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))


def test_parquet_keeps_types_and_comes_in_groups(monkeypatch):
    monkeypatch.setattr(export, "PARQUET_BATCH", 2)
    ann()
    for _index in range(3):
        ProfileFactory(attributes={"points": "odd"})

    table = parquet.read_table(io.BytesIO(file_of("parquet")))

    rows = table.to_pylist()
    assert [row["attributes.points"] for row in rows] == [3.0, None, None, None]
    assert rows[0]["identifiers.email"] == ["ann@example.com", "ann@work.example"]
    assert rows[0]["attributes.likes"] == '["tea","go"]'


@pytest.mark.parametrize("file_format", FileFormat.values)
def test_personal_data_is_masked_for_who_may_not_see_it(file_format):
    ann()

    shown = file_of(file_format, VIEWER)

    assert b"ann@" not in shown
    assert b"cmd" not in shown
    assert file_format == "parquet" or MASK.encode() in shown


@pytest.mark.parametrize("file_format", FileFormat.values)
def test_nobody_is_a_file_too(file_format):
    shown = file_of(file_format)

    assert file_format == "ndjson" or len(shown) > 20
