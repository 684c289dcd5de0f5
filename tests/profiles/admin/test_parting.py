"""Taking people apart in the admin: split, undo, and who may not."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission

from cdp.models import User
from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from profiles.admin import parting
from profiles.models import (
    Event,
    Identifier,
    IdentifierKind,
    IdentityConflict,
    Profile,
    ProfileMerge,
    ProfileSplit,
    Separation,
)
from profiles.services.identity import merge_profiles, split_profile
from tests.admin_world import PERSONAL, make_world, pages
from tests.clients import api_of
from tests.factories.profiles import SourceFactory
from tests.factories.tags import TagAssignmentFactory
from tests.profiles.ingest.messages import START, identify, people, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
PROFILES = "/admin/profiles/profile/"
NOW = START + timedelta(days=1)


@pytest.fixture
def shop():
    return SourceFactory(key="shop", name="Shop")


@pytest.fixture
def ann(shop):
    """One person with a mail, seen first, and a device."""
    send(shop, identify(email="ann@example.com", anonymous="a1", at=0, city="Oslo"))
    send(shop, identify(anonymous="a1", at=5, city="Rome"))
    return profile_of("email", "ann@example.com")


def identifier(kind, value):
    return Identifier.objects.get(kind__key=kind, value=value)


def page_of(profile, client):
    return client.get(f"{PROFILES}{profile.pk}/change/")


def everything():
    models = (Profile, Identifier, Event, ProfileMerge, ProfileSplit, Separation)
    return [list(model.objects.order_by("pk").values()) for model in models]


def rows_of(comparison):
    return {row.label or str(group.title): [cell.words for cell in row.cells]
            for group in comparison.groups for row in group.rows}  # fmt: skip


def test_the_preview_of_a_split_shows_both_sides_and_changes_nothing(ann):
    before, device = everything(), identifier("anonymous_id", "a1")

    page = sign_in(OPERATOR).get(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})

    rows = rows_of(page.context["comparison"])
    assert rows["Identifiers"][1:] == [["Email ann@example.com"], ["Anonymous id a1"]]
    assert rows["City"] == [["Rome"], ["Oslo"], ["Rome"]]
    assert rows["Events"] == [["2"], ["1"], ["1"]]
    assert everything() == before


def test_a_preview_of_nothing_says_what_to_do(ann):
    """The page came again without a word."""
    client, address = sign_in(OPERATOR, language="zh-hans"), f"{PROFILES}{ann.pk}/split/"

    assert client.get(address).context.get("trouble") is None
    assert client.get(address, {"preview": "1"}).context["trouble"] == "尚未勾选。请勾选属于另一个人的标识符。"


def test_a_preview_says_over_each_column_what_it_is(ann):
    device = identifier("anonymous_id", "a1")

    page = sign_in(OPERATOR).get(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})

    assert [column.note for column in page.context["comparison"].columns] == ["Now", "Stays", "Goes"]


@pytest.mark.parametrize("name", ["Ann", None])
def test_the_preview_of_a_split_shows_no_id_of_who_is_not_there_yet(shop, name):
    send(shop, identify(user="u1", anonymous="a1", at=0))
    send(shop, identify(anonymous="a1", at=1, name=name))
    person = profile_of("user_id", "u1")
    device = {"identifier": identifier("anonymous_id", "a1").pk}

    page = sign_in(OPERATOR).get(f"{PROFILES}{person.pk}/split/", device)

    before, stays, goes = page.context["comparison"].columns
    short_id = str(person.public_id)[:8]
    assert all(short_id in f"{column.title} {column.short_id}" for column in (before, stays))
    assert (goes.title, goes.short_id) == (name or "Without a name", "")


def test_the_preview_of_an_undo_shows_the_id_that_lives_again(shop):
    send(shop, identify(anonymous="a1", at=0), identify(anonymous="b1", at=1), identify(user="u1", at=2))
    people_ids = [profile_of("anonymous_id", "a1").pk, profile_of("anonymous_id", "b1").pk]
    merge_profiles(people_ids, user=None, now=NOW)
    merge = ProfileMerge.objects.get()

    page = sign_in(OPERATOR).get(f"{PROFILES}merge/{merge.pk}/undo/")

    assert str(merge.absorbed.public_id)[:8] in page.context["comparison"].columns[-1].title


def test_a_person_of_many_identifiers_shows_the_first_beside_the_ticked_and_says_so(ann, monkeypatch):
    monkeypatch.setattr(parting, "MAX_SHOWN", 1)
    mail, device = identifier("email", "ann@example.com"), identifier("anonymous_id", "a1")
    client = sign_in(OPERATOR)

    page = client.get(f"{PROFILES}{ann.pk}/split/")
    ticked = client.get(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})
    both = client.get(f"{PROFILES}{ann.pk}/split/", {"identifier": [device.pk, mail.pk]})

    assert [shown[0] for shown in page.context["identifiers"]] == [mail]
    assert [shown[0] for shown in ticked.context["identifiers"]] == [device]
    assert "These are 1 of 2 identifiers." in page.content.decode()
    assert [shown[0] for shown in both.context["identifiers"]] == [mail, device]
    assert "of 2 identifiers" not in both.content.decode()


def test_a_split_takes_along_what_is_ticked_and_leads_to_the_other(ann):
    tag = TagAssignmentFactory(profile=ann)
    client, device = sign_in(OPERATOR), identifier("anonymous_id", "a1")
    page = client.get(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})
    (row,) = page.context["hand_made"]

    answer = client.post(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk, "along": row.ref}, follow=True)

    other = profile_of("anonymous_id", "a1")
    tag.refresh_from_db()
    assert answer.redirect_chain == [(f"{PROFILES}{ann.pk}/change/", 302)]
    assert f"{PROFILES}{other.pk}/change/" in answer.content.decode()
    assert people() == {frozenset({("email", "ann@example.com")}), frozenset({("anonymous_id", "a1")})}
    assert tag.profile == other
    assert ProfileSplit.objects.get().split_by == answer.wsgi_request.user


def test_what_cannot_be_split_says_why_and_changes_nothing(ann):
    client, ids = sign_in(OPERATOR), list(Identifier.objects.values_list("pk", flat=True))
    before = everything()

    page = client.get(f"{PROFILES}{ann.pk}/split/", {"identifier": ids})
    answer = client.post(f"{PROFILES}{ann.pk}/split/", {"identifier": ids}, follow=True)

    assert page.context["trouble"] == "Nothing would stay: a person needs at least one identifier."
    assert "Nothing would stay" in answer.content.decode()
    assert everything() == before


def test_a_split_of_what_meanwhile_left_the_person_is_refused_and_shows_what_is_now(shop, ann):
    send(shop, identify(email="ann@example.com", phone="13800138000", at=6))
    phone, device = identifier("phone", "+8613800138000"), identifier("anonymous_id", "a1")
    client, ticked = sign_in(OPERATOR), {"identifier": [phone.pk, device.pk]}
    client.get(f"{PROFILES}{ann.pk}/split/", ticked)
    split_profile(ann, [phone], user=None, now=NOW)
    before = everything()

    page = client.post(f"{PROFILES}{ann.pk}/split/", ticked)
    unchanged = everything() == before
    client.post(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})

    assert [str(message) for message in page.context["messages"]] == [
        "Nothing was split off: 1 of the ticked identifiers is not of this person any more. "
        "The page shows what is theirs now."
    ]  # fmt: skip
    assert unchanged
    assert {shown.value: is_ticked for shown, _text, is_ticked in page.context["identifiers"]} == {
        "ann@example.com": False, "a1": True,
    }  # fmt: skip
    assert rows_of(page.context["comparison"])["Identifiers"][2] == ["Anonymous id a1"]
    assert profile_of("anonymous_id", "a1") not in (ann, profile_of("phone", "+8613800138000"))


def test_a_split_of_nothing_but_what_meanwhile_left_the_person_previews_nothing(ann):
    device = identifier("anonymous_id", "a1")
    split_profile(ann, [device], user=None, now=NOW)

    page = sign_in(OPERATOR).post(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk})

    assert len(page.context["messages"]) == 1
    assert "comparison" not in page.context
    assert ProfileSplit.objects.count() == 1


@pytest.mark.parametrize("ticked", ["x", "0", "99999999999999999999"])
def test_odd_ticks_are_nobodys(ann, ticked):
    page = sign_in(OPERATOR).get(f"{PROFILES}{ann.pk}/split/", {"identifier": ticked})

    assert (page.status_code, "comparison" in page.context) == (200, False)


@pytest.mark.parametrize("along", ["x", "tags.tagassignment:x", "tags.tagassignment:99999999999999999999"])
def test_odd_rows_by_hand_are_passed_by(ann, along):
    device = identifier("anonymous_id", "a1")

    answer = sign_in(OPERATOR).post(f"{PROFILES}{ann.pk}/split/", {"identifier": device.pk, "along": along})

    assert answer.status_code == 302
    assert ProfileSplit.objects.count() == 1


def test_a_merge_that_went_along_with_a_split_is_undone_from_whom_it_went_to(shop, ann):
    send(shop, identify(user="u1", at=9), identify(anonymous="a2", at=10))
    gone = profile_of("user_id", "u1")
    merge_profiles([ann.pk, gone.pk, profile_of("anonymous_id", "a2").pk], user=None, now=NOW)
    chosen = [identifier("user_id", "u1"), identifier("anonymous_id", "a1")]
    new = split_profile(ann, chosen, user=None, now=NOW)
    merge, client = ProfileMerge.objects.get(absorbed=gone), sign_in(OPERATOR)
    undo = f"{PROFILES}merge/{merge.pk}/undo/"

    of_new = api_of(VIEWER).send("get", f"profiles/{new.public_id}/merges/").json()["results"]
    page = client.get(undo)
    answer = client.post(undo)

    assert [row["id"] for row in of_new] == [merge.pk]
    assert page.context["profile"] == new
    assert rows_of(page.context["comparison"])["Identifiers"][1:] == [["Anonymous id a1"], ["User id u1"]]
    assert answer.url == f"{PROFILES}{new.pk}/change/"
    assert profile_of("user_id", "u1") == gone


def test_a_merge_is_undone_from_the_history_after_a_preview(shop, ann):
    send(shop, identify(user="u1", at=9))
    other = profile_of("user_id", "u1")
    merge_profiles([ann.pk, other.pk], user=None, now=NOW)
    client, merge = sign_in(OPERATOR, username="olga"), ProfileMerge.objects.get()
    (deed,) = page_of(ann, client).context["deeds"]
    before = everything()

    page = client.get(deed.undo_url)
    unchanged = everything() == before
    answer = client.post(deed.undo_url, follow=True)

    assert rows_of(page.context["comparison"])["Identifiers"][2] == ["User id u1"]
    assert unchanged
    assert profile_of("user_id", "u1") == other
    assert answer.redirect_chain == [(f"{PROFILES}{ann.pk}/change/", 302)]
    what = [(deed.what, deed.note, deed.undo_url) for deed in page_of(ann, client).context["deeds"]]
    assert sorted(what) == [
        ("Split off 1 identifier", "", ""), ("Took in another", "Undone by olga.", "")
    ]  # fmt: skip
    assert merge.pk == ProfileMerge.objects.get(undone_by__username="olga").pk


def test_the_history_says_how_a_split_is_taken_back(ann):
    client = sign_in(OPERATOR)
    new = split_profile(ann, [identifier("anonymous_id", "a1")], user=None, now=NOW)
    link = f'href="{PROFILES}merge/?id={ann.pk}&amp;id={new.pk}">Merge again…</a>'
    words = "To take back a split, lift its separations, then merge the two again."

    shown = [page_of(person, client).content.decode() for person in (ann, new)]
    hidden = page_of(ann, sign_in(VIEWER)).content.decode()
    client.post(f"{PROFILES}{ann.pk}/lift/", {"split": ProfileSplit.objects.get().pk})
    merge_profiles([ann.pk, new.pk], user=None, now=NOW)
    after = page_of(ann, client).content.decode()

    assert [(link in page, words in page) for page in (*shown, hidden, after)] == [
        (True, True), (True, True), (False, False), (False, False),
    ]  # fmt: skip


def test_a_merge_undone_twice_says_so(shop, ann):
    send(shop, identify(user="u1", at=9))
    merge_profiles([ann.pk, profile_of("user_id", "u1").pk], user=None, now=NOW)
    client, undo = sign_in(OPERATOR), f"{PROFILES}merge/{ProfileMerge.objects.get().pk}/undo/"
    client.post(undo)

    answer = client.post(undo, follow=True)

    assert "This merge was undone already." in answer.content.decode()
    assert client.get(undo).context["trouble"] == "This merge was undone already."
    assert ProfileSplit.objects.count() == 1


def test_the_history_says_which_message_of_which_source_merged(shop):
    send(shop, identify(user="u1", at=0))
    send(shop, identify(email="ann@example.com", at=5))
    send(shop, identify(user="u1", email="ann@example.com", at=9, id="joined"))

    (deed,) = page_of(profile_of("user_id", "u1"), sign_in(VIEWER)).context["deeds"]

    assert (deed.what, deed.by) == ("Took in another", "Shop, message joined")


def test_the_history_says_the_start_of_an_id_once(shop, ann):
    send(shop, identify(user="u1", at=9), identify(user="u2", at=10, name="Bob"))
    nameless, bob = profile_of("user_id", "u1"), profile_of("user_id", "u2")
    IdentifierKind.objects.filter(key="user_id").update(limit_per_profile=None)
    merge_profiles([ann.pk, nameless.pk], user=None, now=NOW)
    merge_profiles([ann.pk, bob.pk], user=None, now=NOW)

    seen, masked = (page_of(ann, sign_in(role)).content.decode() for role in (OPERATOR, VIEWER))

    assert [seen.count(str(each.public_id)[:8]) for each in (nameless, bob)] == [1, 1]
    assert [masked.count(str(each.public_id)[:8]) for each in (nameless, bob)] == [1, 1]


@pytest.mark.parametrize("role", [VIEWER, PRIVACY_OFFICER])
def test_others_see_it_and_take_nothing_apart(shop, ann, role):
    send(shop, identify(user="u1", at=9))
    merge_profiles([ann.pk, profile_of("user_id", "u1").pk], user=None, now=NOW)
    other = split_profile(ann, [identifier("anonymous_id", "a1")], user=None, now=NOW)
    client, before = sign_in(role), everything()
    merge = ProfileMerge.objects.get()

    answers = [
        client.post(f"{PROFILES}{ann.pk}/split/", {"identifier": identifier("user_id", "u1").pk}),
        client.get(f"{PROFILES}{ann.pk}/split/"),
        client.get(f"{PROFILES}merge/{merge.pk}/undo/"),
        client.post(f"{PROFILES}merge/{merge.pk}/undo/"),
        client.get(f"{PROFILES}{other.pk}/lift/", {"split": ProfileSplit.objects.get().pk}),
        client.post(f"{PROFILES}{other.pk}/lift/", {"split": ProfileSplit.objects.get().pk}),
    ]
    text = page_of(ann, client).content.decode()

    assert [answer.status_code for answer in answers] == [403] * 6
    assert everything() == before
    assert 'id="history"' in text
    assert 'id="separations"' in text
    assert "/undo/" not in text
    assert "/lift/" not in text


def test_who_may_merge_and_not_see_personal_data_meets_none():
    world, client = make_world(), sign_in(VIEWER, username="vic")
    User.objects.get(username="vic").user_permissions.add(Permission.objects.get(codename="merge_profile"))
    ours = ("merge", "split", "undo", "move", "conflict")

    answers = [client.get(page) for page in pages(world) if any(word in page for word in ours)]

    assert [answer.status_code for answer in answers].count(200) >= 5
    shown = " ".join(answer.content.decode() for answer in answers)
    assert [word for word in PERSONAL if word in shown] == []


def test_what_was_left_out_is_moved_to_whom_it_belongs(shop):
    send(shop, identify(user="a", anonymous="device", at=0), identify(user="b", anonymous="device", at=1))
    conflict, client = IdentityConflict.objects.get(), sign_in(OPERATOR)
    bob = profile_of("user_id", "b")
    move = f"/admin/profiles/identityconflict/{conflict.pk}/move/"
    before = everything()

    page = client.get(move)
    unchanged = everything() == before
    client.post(move)

    assert rows_of(page.context["comparison"])["Identifiers"][2:] == [
        ["User id a"], ["User id b", "Anonymous id device"]
    ]  # fmt: skip
    assert unchanged
    assert profile_of("anonymous_id", "device") == bob == profile_of("user_id", "b")
    conflict.refresh_from_db()
    assert conflict.state == "settled"


def test_a_merged_away_id_leads_to_its_survivor_everywhere(shop, ann):
    send(shop, identify(user="u1", at=9))
    gone = profile_of("user_id", "u1")
    merge_profiles([ann.pk, gone.pk], user=None, now=NOW)
    client = sign_in(OPERATOR)

    pages = {
        path: client.get(f"{PROFILES}{path}", follow=True).context
        for path in (f"{gone.pk}/change/", f"by-id/{gone.public_id}/", f"{gone.pk}/split/")
    }
    chosen = client.get(f"{PROFILES}merge/", {"id": gone.pk}).context["chosen"]
    found = client.get(PROFILES, {"q": str(gone.public_id)}).context["cl"].result_list

    assert {path: context["profile"] for path, context in pages.items()} == dict.fromkeys(pages, ann)
    assert [each for each, *_rest in chosen] == [ann]
    assert list(found) == [ann]
