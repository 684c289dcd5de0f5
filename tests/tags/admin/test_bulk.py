"""Tagging many people in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from cdp.models import Run
from cdp.roles import OPERATOR, VIEWER
from profiles.models import IdentifierKind
from tags.admin import people_file
from tags.models import BulkTagging
from tags.services.bulk import queue_bulk
from tags.services.tag import save_tag
from tests.factories.cdp import UserFactory
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


def in_file(text, **given):
    """The answer to a removal from the people of a file of e-mail addresses."""
    tag = TagFactory()
    kind = IdentifierKind.objects.get(key="email")
    file = SimpleUploadedFile("people.csv", text if isinstance(text, bytes) else text.encode())
    body = {"what": "remove", "choice": f"{tag.pk}:", "kind": kind.pk, "file": file, **given}
    return sign_in(OPERATOR).post(f"/admin/tags/tag/{tag.pk}/people/", body)


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com\nnobody@example.com\n",
        "\ufeffE-Mail\r\nAnn@example.com\r\nnobody@example.com\r\n",
        "Name;Mail;City\nAnn;ann@example.com;Oslo\nBo;nobody@example.com;Rome\n",
        '{"who": "Ann", "email": "ann@example.com"}\n{"who": "Bo", "email": "nobody@example.com"}\n',
        "姓名,邮箱\n安,ann@example.com\n无,nobody@example.com\n".encode("gb18030"),
    ],
)
def test_people_are_named_by_a_file(text):
    ann = IdentifierFactory(kind_key="email", value="ann@example.com").profile

    answer = in_file(text)

    assert answer.status_code == 302
    bulk = BulkTagging.objects.get()
    assert (bulk.profile_ids, bulk.unknown) == ([ann.pk], ["nobody@example.com"])
    assert (bulk.action, bulk.chosen_by) == ("remove", "file people.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The file is empty."),
        ('{"email": 622848001234567890.0}\n', "a number whose last digits are lost"),
        ("\n\n", "st-errors"),
        ("a@example.com\n" * 4, "one to 3 rows"),
        (b"PK\x03\x04 a workbook", ".xlsx"),
        (b"\0\0\0\n\0", "st-errors"),
    ],
)
def test_a_file_that_names_nobody_says_so(text, words, monkeypatch):
    monkeypatch.setattr(people_file, "MAX_ROWS", 3)

    answer = in_file(text)

    assert (answer.status_code, words in answer.content.decode()) == (200, True)
    assert not BulkTagging.objects.exists()


def test_a_file_and_a_list_are_not_both_meant():
    answer = in_file("a@example.com", identifiers="b@example.com").content.decode()

    assert "one of them" in answer


def test_the_name_of_a_chosen_file_has_a_place_of_its_own():
    page = sign_in(OPERATOR).get(f"/admin/tags/tag/{TagFactory().pk}/people/").content.decode()

    before_file = page[: page.index('type="file"')]
    assert "disabled" in before_file[before_file.rindex('<input type="text"') :]


def test_people_are_tagged_by_a_segment():
    tag, segment = TagFactory(), SegmentFactory(key="loyal")
    gold = TagValueFactory(tag=tag)
    member = MembershipFactory(segment=segment).profile
    ProfileFactory()

    sign_in(OPERATOR).post(
        f"/admin/tags/tag/{tag.pk}/people/", {"what": "assign", "choice": f"{tag.pk}:{gold.pk}", "segment": "loyal"}
    )

    assert (BulkTagging.objects.get().profile_ids, BulkTagging.objects.get().value) == ([member.pk], gold)


@pytest.mark.parametrize(("typed", "people"), [("loyal", 1), (" Loyal customers ", 1), ("Loyal", 0), ("Twins", 0)])
def test_a_segment_is_named_by_its_key_or_its_whole_name(typed, people):
    tag = TagFactory()
    MembershipFactory(segment=SegmentFactory(key="loyal", name="Loyal customers"))
    SegmentFactory(key="one", name="Twins")
    SegmentFactory(key="two", name="Twins")

    answer = sign_in(OPERATOR).post(
        f"/admin/tags/tag/{tag.pk}/people/", {"what": "assign", "choice": f"{tag.pk}:", "segment": typed}
    )

    assert BulkTagging.objects.count() == people
    words = {"Loyal": "There is no segment “Loyal”.", "Twins": "Several segments are called “Twins”"}
    assert typed not in words or words[typed] in answer.content.decode()


def test_segments_are_found_by_a_part_of_their_name_or_key():
    for n in range(25):
        SegmentFactory(key=f"s{n}", name=f"Loyal <{n}>")
    SegmentFactory(key="other", name="Other")
    client, address = sign_in(OPERATOR), "/admin/tags/tag/people/segments/"

    found = client.get(address, {"segment": "loyal"}).content.decode()

    assert found.count("<option") == 20
    assert '<option value="s0">Loyal &lt;0&gt;</option>' in found
    assert client.get(address, {"segment": "OTH"}).content.decode().strip() == '<option value="other">Other</option>'
    assert sign_in(VIEWER).get(address).status_code == 403


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"lifecycle": "draft"}, "“Card” is a draft: activate it first."),
        ({"lifecycle": "archived"}, "“Card” is archived: restore it first."),
        ({"kind": "imported"}, "“Card” is assigned by imports, not by hand."),
    ],
    ids=["draft", "archived", "imported"],
)
def test_a_tag_that_no_hand_assigns_says_why(values, why):
    tag = TagFactory(name="Card", **values)
    known = IdentifierFactory()
    given = {"what": "assign", "choice": f"{tag.pk}:", "kind": known.kind.pk, "identifiers": known.value}
    client, address = sign_in(OPERATOR), f"/admin/tags/tag/{tag.pk}/people/"

    pages = [client.get(address).content.decode(), client.post(address, given).content.decode()]

    assert [why in page for page in pages] == [True, True]
    assert ['name="identifiers"' in page for page in pages] == [False, False]
    assert not BulkTagging.objects.exists()


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

    assert "Paste identifiers, or choose a file, or a segment: one of them." in answer.content.decode()


def test_what_was_done_with_a_value_that_is_gone_is_still_told():
    tag, ann = TagFactory(), ProfileFactory()
    value = TagValueFactory(tag=tag, name="Gold")
    user = UserFactory()
    bulk = queue_bulk(
        tag, BulkTagging.Action.REMOVE, [ann.pk], value=value, chosen_by="-", user=user, now=timezone.now()
    )
    Run.objects.update(state=Run.State.SUCCEEDED, ended_at=timezone.now())
    page = f"/admin/tags/tag/{tag.pk}/people/"
    undo = f"/admin/tags/tag/bulk/{bulk.pk}/undo/"
    assert undo in sign_in(OPERATOR).get(page).content.decode()

    save_tag(tag, values=[], user=user)

    text = sign_in(OPERATOR).get(page).content.decode()
    assert 'Remove · Gold <span class="st-quiet">(deleted)</span>' in text
    assert undo not in text


def test_of_many_unknown_the_page_names_the_first():
    tag = TagFactory()
    queued = queue_bulk(
        tag,
        BulkTagging.Action.ASSIGN,
        [ProfileFactory().pk],
        chosen_by="file a.csv",
        unknown=[f"u{n}" for n in range(300)],
        user=UserFactory(),
        now=timezone.now(),
    )

    page = sign_in(OPERATOR).get(f"/admin/tags/tag/{tag.pk}/people/").content.decode()

    assert "300 unknown" in page
    assert "u199 …</details>" in page
    assert len(queued.unknown) == 300
