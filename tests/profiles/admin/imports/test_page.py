"""The page of an import: its result, its refused rows, its taking back, and what each role sees of it."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import orjson
import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone, translation

from cdp.models import Run
from cdp.roles import OPERATOR, PRIVACY_OFFICER, VIEWER
from cdp.runs import execute_run
from profiles.admin.imports import words
from profiles.admin.imports.words import counted
from profiles.imports.targets import all_targets
from profiles.models import Import, ImportedFile, ImportMapping, Profile
from profiles.services import in_time
from profiles.services.imports import ImportStateError, take_back
from profiles.services.written import Written
from profiles.tasks import clean_up_uploads
from tests.factories.cdp import UserFactory
from tests.factories.imports import MAPPING, ImportFactory, ImportMappingFactory
from tests.factories.tags import TagFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
TEXT = "Name,Phone\nAnn,13800138000\nBob,\n"


def page(imported, name="change"):
    return reverse(f"admin:profiles_import_{name}", args=[imported.pk])


def carry_out(imported):
    """Do the run that the page queued."""
    imported.refresh_from_db()
    execute_run(imported.run_id, now=timezone.now())
    imported.refresh_from_db()


@pytest.fixture
def done():
    """An import of one person, with one refused row."""
    made = ImportFactory(text=TEXT)
    sign_in(OPERATOR).post(page(made, "start"))
    carry_out(made)
    return made


def test_a_check_writes_nothing_and_the_import_does():
    made, client = ImportFactory(text=TEXT), sign_in(OPERATOR)

    client.post(page(made, "start"), {"dry_run": "1"})
    carry_out(made)
    checked = client.get(page(made)).content.decode()
    assert "What the import would do" in checked
    assert not Profile.objects.exists()
    client.post(page(made, "start"))
    carry_out(made)

    assert Profile.objects.get().attributes == {"name": "Ann"}
    assert "What was taken in" in client.get(page(made)).content.decode()


def test_where_every_row_was_refused_there_is_nothing_to_take_back():
    made, client = ImportFactory(text="Name,Phone\nAnn,\nBob,1\n"), sign_in(OPERATOR)
    client.post(page(made, "start"))
    carry_out(made)

    shown = client.get(page(made)).content.decode()
    asked = client.get(page(made, "take_back"), follow=True).content.decode()

    assert (made.n_done, made.counts["refused"]) == (2, 2)
    assert page(made, "take_back") not in shown
    assert "Nothing of this import can be taken back now." in asked
    with pytest.raises(ImportStateError, match="Nothing of this import was taken in"):
        take_back(made, user=None)


def test_each_count_of_a_target_has_a_name_in_both_languages():
    counts = dict.fromkeys(name for key in all_targets() for name in (key, f"{key}_unchanged"))
    counts = {name: n for n, name in enumerate(counts, 7)}

    said = {}
    for language in ("en", "zh-hans"):
        with translation.override(language):
            said[language] = {n: name for name, n in counted(counts) if n}

    assert sorted(said["en"]) == sorted(counts.values())
    assert len(set(said["en"].values())) == len(counts)
    assert all(said["en"][n] != said["zh-hans"][n] for n in counts.values())


def test_the_check_names_the_first_lines_that_would_be_refused():
    made, client = ImportFactory(text="Name,Phone\n" + "Bob,\n" * 21), sign_in(OPERATOR)

    client.post(page(made, "start"), {"dry_run": "1"})
    carry_out(made)

    shown = client.get(page(made)).content.decode()
    assert "<li>Line 2</li>" in shown
    assert "These are the first." in shown


def test_refused_rows_are_offered_once_the_import_has_ended(done):
    client = sign_in(OPERATOR)
    ended = client.get(page(done)).content.decode()
    Run.objects.filter(pk=done.run_id).update(state=Run.State.RUNNING)

    running = client.get(page(done)).content.decode()

    assert ("Download the refused rows" in ended, "Download the refused rows" in running) == (True, False)


def test_refused_rows_are_for_those_who_may_see_them(done):
    shown = {role: sign_in(role).get(page(done)).content.decode() for role in (OPERATOR, PRIVACY_OFFICER, VIEWER)}
    files = {role: sign_in(role).get(page(done, "refused")).status_code for role in (OPERATOR, PRIVACY_OFFICER, VIEWER)}

    assert [("<td>Bob</td>" in shown[role], files[role]) for role in (OPERATOR, PRIVACY_OFFICER, VIEWER)] == [
        (True, 200),
        (True, 200),
        (False, 403),
    ]
    assert "They hold personal data" in shown[VIEWER]
    assert "Upload the corrected file" not in shown[PRIVACY_OFFICER]
    assert sign_in(OPERATOR).get(page(done, "refused"))["Content-Disposition"] == (
        'attachment; filename="members.refused.csv"'
    )


def test_the_people_of_an_import_are_listed(done):
    listed = sign_in(OPERATOR).get(reverse("admin:profiles_profile_changelist"), {"import": done.pk})

    assert [profile.attributes["name"] for profile in listed.context["cl"].result_list] == ["Ann"]


def test_an_import_is_taken_back_once_that_is_confirmed(done):
    client = sign_in(OPERATOR)

    asked = client.get(page(done, "take_back")).content.decode()
    assert "This is what goes:" in asked
    client.post(page(done, "take_back"))
    carry_out(done)

    assert not Profile.objects.current().exists()
    assert done.taken_back_at is not None
    assert page(done, "take_back") not in client.get(page(done)).content.decode()
    assert sign_in(VIEWER).post(page(done, "take_back")).status_code == 403


def test_a_taking_back_under_way_shows_what_goes(done):
    client = sign_in(OPERATOR)
    client.post(page(done, "take_back"))
    Run.objects.filter(kind="take_back").update(
        state=Run.State.RUNNING, counts={"messages": 9, "people": 3, "events": 4, "tags": 0}
    )

    live = client.get(page(done, "live"))

    assert sorted(live.context["so_far"]) == [("events", 4), ("people", 3)]


def test_what_was_counted_in_part_or_not_at_all_is_told(done, monkeypatch):
    client = sign_in(OPERATOR)

    monkeypatch.setattr(in_time, "COUNT_SECONDS", 0)
    uncounted = client.get(page(done, "take_back"))
    assert "could not be counted in the time" in uncounted.content.decode()
    assert dict(uncounted.context["taken_in"])["new people"] == done.counts["new"]
    assert "That is what it took in:" in uncounted.content.decode()
    monkeypatch.undo()
    some = Written({"events": 50_000, "kept": 3}, frozenset({"events"}))
    monkeypatch.setattr("profiles.services.imports.written_in_time", lambda import_: some)
    shown = client.get(page(done, "take_back")).content.decode()

    assert "50,000 or more" in shown
    assert '<p class="st-number">3</p>' in shown


def test_taking_back_names_the_later_files_that_relied_on_it(done):
    client, later = (
        sign_in(OPERATOR),
        ImportFactory(text=TEXT + "Cid,13800138001\n", name="later.csv", source=done.source),
    )
    client.post(page(later, "start"))
    carry_out(later)

    assert f'{page(later)}">later.csv' in client.get(page(done, "take_back")).content.decode()
    client.post(page(done, "take_back"))
    carry_out(done)

    shown = client.get(page(done)).content.decode()
    assert f'{page(later)}">later.csv' in shown
    assert "Import these files again" in shown
    assert page(later) not in sign_in(VIEWER).get(page(done)).content.decode()
    assert sign_in(VIEWER).post(page(done, "again")).status_code == 403

    client.post(page(done, "again"))
    shown = client.get(page(done)).content.decode()
    assert (reverse("admin:cdp_run_progress", args=[Run.objects.latest("pk").pk]) in shown) is True
    assert "Import these files again" not in shown
    assert "Importing again" in client.get(page(later)).content.decode()
    carry_out(later)

    assert "imported again" in client.get(page(done)).content.decode()
    names = [profile.attributes["name"] for profile in Profile.objects.current().order_by("attributes__name")]
    assert names == ["Ann", "Cid"]
    later.file.storage.delete(later.file.name)
    Import.objects.filter(pk=later.pk).update(run=None)
    shown = client.get(page(done)).content.decode()
    assert "its file is no longer kept here" in shown
    assert "Import these files again" not in shown
    assert "no later file" in client.post(page(done, "again"), follow=True).content.decode()


def test_of_many_later_files_the_first_are_listed(done, monkeypatch):
    monkeypatch.setattr(words, "N_LEANING", 2)
    client = sign_in(OPERATOR)
    for n in range(3):
        client.post(page(made := ImportFactory(text=TEXT + "\n" * n, name=f"{n}.csv", source=done.source), "start"))
        carry_out(made)

    shown = client.get(page(done, "take_back")).content.decode()

    assert [f">{n}.csv</a>" in shown for n in range(3)] == [True, True, False]
    assert "and 1 more" in shown


def test_a_mapping_is_kept_once_under_a_name(done):
    client = sign_in(OPERATOR)

    refused = client.post(page(done, "keep_mapping"), {"name": " "}).content.decode()
    for _time in range(2):  # a double click
        assert client.post(page(done, "keep_mapping"), {"name": "会员"}).status_code == 302

    kept = ImportMapping.objects.get()
    assert (kept.key, kept.name, kept.source, kept.mapping) == ("hui-yuan", "会员", done.source, MAPPING)
    assert "This field cannot be blank" in refused


def test_a_name_that_is_taken_is_refused_and_its_mapping_replaced_only_by_who_says_so(done):
    other = {"identifiers": {"Card": "member_card"}}
    taken = ImportMappingFactory(source=done.source, name="members", mapping=other)
    client, address = sign_in(OPERATOR), page(done, "keep_mapping")

    shown = client.get(page(done)).content.decode()
    refused = client.post(address, {"name": "members"}).content.decode()
    client.post(address, {"name": "members", "replace": str(taken.pk + 1)})

    assert 'value="members 2"' in shown
    assert 'name="replace"' not in shown
    assert 'value="members"' in refused
    assert "a saved mapping of this name already" in refused
    assert f'name="replace" value="{taken.pk}"' in refused
    taken.refresh_from_db()
    assert (taken.mapping, ImportMapping.objects.count()) == (other, 1)
    client.post(address, {"name": "members", "replace": str(taken.pk)})
    taken.refresh_from_db()
    done.refresh_from_db()
    assert (taken.mapping, done.saved_mapping, ImportMapping.objects.count()) == (MAPPING, taken, 1)


def audited():
    """The entries about saved mappings, the earliest first: what was done, and the values before and after."""
    entries = LogEntry.objects.filter(content_type__model="importmapping").order_by("pk")
    return [
        (entry.get_action_flag_display(), orjson.loads(entry.change_message or "[{}]")[0].get("values"))
        for entry in entries
    ]


def test_the_audit_knows_who_kept_replaced_watched_and_deleted_a_mapping(done):
    client, other = sign_in(OPERATOR), {"identifiers": {"Card": "member_card"}}
    for _time in range(2):  # a double click
        client.post(page(done, "keep_mapping"), {"name": "members"})
    kept = ImportMapping.objects.get()
    ImportMapping.objects.update(mapping=other)
    Import.objects.update(saved_mapping=None)

    client.post(page(done, "keep_mapping"), {"name": "members", "replace": str(kept.pk)})
    address = reverse("admin:profiles_importmapping_change", args=[kept.pk])
    client.post(address, {"name": "members", "folder": "till", "is_watching": "on"})
    client.post(reverse("admin:profiles_importmapping_delete", args=[kept.pk]), {"post": "yes"})

    made = {
        "key": [None, "members"],
        "name": [None, "members"],
        "source": [None, done.source.key],
        "mapping": [None, MAPPING],
    }
    watched = {"folder": ["", "till"], "is_watching": [False, True]}
    assert audited() == [
        ("Addition", made),
        ("Change", {"mapping": [other, MAPPING]}),
        ("Change", watched),
        ("Deletion", None),
    ]
    assert {str(entry.user_id) for entry in LogEntry.objects.all()} == {client.session["_auth_user_id"]}


@pytest.mark.parametrize("mapping", [{}, {"identifiers": {"Phone": "phone"}}, {**MAPPING, "identifiers": {"P": "no"}}])
def test_a_mapping_that_is_not_whole_is_not_kept(mapping):
    draft = ImportFactory(text=TEXT, mapping=mapping)

    refused = sign_in(OPERATOR).post(page(draft, "keep_mapping"), {"name": "members"})

    assert (refused.status_code, ImportMapping.objects.count(), audited()) == (200, 0, [])
    draft.refresh_from_db()
    assert draft.saved_mapping is None


def test_a_mapping_that_watches_a_folder_is_not_replaced(done):
    other = {"identifiers": {"Card": "member_card"}}
    taken = ImportMappingFactory(source=done.source, name="members", mapping=other, folder="till", is_watching=True)

    refused = sign_in(OPERATOR).post(page(done, "keep_mapping"), {"name": "members", "replace": str(taken.pk)})

    shown = refused.content.decode()
    assert "watches the folder “till”" in shown
    assert 'name="replace"' not in shown
    taken.refresh_from_db()
    assert (taken.mapping, ImportMapping.objects.count()) == (other, 1)


def test_a_saved_mapping_takes_no_name_of_another():
    first = ImportMappingFactory(name="Members")
    second, elsewhere = ImportMappingFactory(source=first.source, name="Sales"), ImportMappingFactory(name="Sales")
    client = sign_in(OPERATOR)

    def rename(saved):
        address = reverse("admin:profiles_importmapping_change", args=[saved.pk])
        return client.post(address, {"name": "Members", "folder": ""}).content.decode()

    assert "a saved mapping of this name already" in rename(second)
    assert rename(elsewhere) == rename(first) == ""
    assert sorted(ImportMapping.objects.values_list("name", flat=True)) == ["Members", "Members", "Sales"]


def test_an_import_that_runs_is_watched_and_stopped():
    run = Run.objects.create(
        kind="import", subject="import:1", state="running", done=7, total=9, counts={"new": 5}, is_cancellable=True
    )
    made, client = ImportFactory(run=run, n_done=7), sign_in(OPERATOR)

    live = client.get(page(made, "live")).content.decode()
    client.post(page(made, "stop"))

    assert "7 / 9" in live
    assert '<p class="st-number">5</p>' in live
    run.refresh_from_db()
    assert run.cancel_asked_at is not None
    Run.objects.update(state="cancelled")
    assert client.get(page(made, "live")).headers["HX-Refresh"] == "true"
    assert "Go on importing" in client.get(page(made)).content.decode()


def test_what_was_never_started_is_discarded_with_its_file(django_capture_on_commit_callbacks):
    made, client = ImportFactory(), sign_in(OPERATOR)

    with django_capture_on_commit_callbacks(execute=True):
        client.post(page(made, "discard"))

    assert not Import.objects.exists()
    assert not made.file.storage.exists(made.file.name)


def test_what_was_taken_in_is_not_discarded(done):
    sign_in(OPERATOR).post(page(done, "discard"))

    assert Import.objects.get() == done


def test_uploads_that_nobody_went_on_with_are_cleaned_up():
    old, new = (ImportFactory(created_at=timezone.now() - timedelta(days=days)) for days in (15, 13))
    started = ImportFactory(created_at=old.created_at, n_done=1)

    clean_up_uploads()

    assert set(Import.objects.all()) == {new, started}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_refused_rows_of_ndjson_are_shown_too(encoding):
    text = '{"strata_row": 1, "strata_reason": "odd", "姓名": "张三", "sizes": [{"n": 9}], "old": true}\n'
    refused = ContentFile(text.encode(encoding), "1.ndjson")
    made = ImportFactory(
        format="ndjson", encoding=encoding, refused_file=refused, refused_size=9, n_done=1, name="members.ndjson"
    )

    row = '<td>1</td><td>odd</td><td>张三</td><td>[{"n":9}]</td><td>true</td>'
    assert row in unescape(sign_in(OPERATOR).get(page(made)).content.decode())


def test_the_list_is_filtered_by_state_source_and_who(done):
    other = ImportFactory(user=UserFactory())
    address, client = reverse("admin:profiles_import_changelist"), sign_in(OPERATOR)

    def found(**asked):
        return [each.pk for each in client.get(address, asked).context["cl"].result_list]

    assert found(state="complete") == [done.pk]
    assert found(source__id__exact=done.source_id) == [done.pk]
    assert found(user=other.user.pk) == [other.pk]
    assert found(when="7") == []
    assert len(found()) == 2


def test_a_saved_mapping_is_shown_in_words_and_watches_only_a_folder_that_is_named():
    saved, client = ImportMappingFactory(), sign_in(OPERATOR)
    address = reverse("admin:profiles_importmapping_change", args=[saved.pk])

    shown = client.get(address).content.decode()
    refused = client.post(address, {"name": "Members", "folder": "", "is_watching": "on"}).content.decode()
    client.post(address, {"name": "Members", "folder": "till/members", "is_watching": "on"})

    assert "Phone (who it is)" in shown
    assert "Which folder?" in refused
    saved.refresh_from_db()
    assert (saved.name, saved.folder, saved.is_watching, saved.mapping) == ("Members", "till/members", True, MAPPING)


def test_a_saved_mapping_says_what_became_of_the_files_of_its_folder():
    saved, made = ImportMappingFactory(folder="till", is_watching=True), ImportFactory(text=TEXT)
    common = {"saved_mapping": saved, "size": 1, "modified_at": made.created_at, "seen_at": made.created_at}
    client = sign_in(OPERATOR, language="zh-hans")
    client.post(page(made, "start"))
    carry_out(made)
    ImportedFile.objects.create(name="one.csv", sha256="1", imported=made, **common)
    ImportedFile.objects.create(name="two.csv", **common)

    shown = client.get(reverse("admin:profiles_importmapping_change", args=[saved.pk])).content.decode()

    assert f'<a class="st-link" href="{page(made)}">已完成</a> <span class="st-errors">1 行被拒收</span>' in shown
    assert "等待文件写完，以及排在它前面的文件导入完" in shown


def test_the_columns_offer_the_tags_by_hand_to_be_assigned():
    TagFactory(key="vip", name="Very important")
    made = ImportFactory()

    shown = sign_in(OPERATOR).get(page(made, "columns"))

    assert [form["key"] for form in shown.context["targets"]][:1] != []
    assert '<option value="=vip">Very important</option>' in shown.content.decode()


def test_lines_of_the_file_and_rows_of_data_are_two_words():
    """A heading is counted by the one and not by the other: row 2 is in line 3."""
    made, client = ImportFactory(text=TEXT), sign_in(OPERATOR, language="zh-hans")

    client.post(page(made, "start"), {"dry_run": "1"})
    carry_out(made)
    checked = client.get(page(made)).content.decode()
    client.post(page(made, "start"))
    carry_out(made)

    assert "<li>文件行号 3" in checked
    imported = client.get(page(made)).content.decode()
    assert "<th>数据行号</th>" in imported
    assert "<td>2</td>" in imported


def test_reasons_are_in_the_language_of_whoever_asked():
    made = ImportFactory(text=TEXT)

    sign_in(OPERATOR, language="zh-hans").post(page(made, "start"))
    carry_out(made)

    with translation.override("zh-hans"):
        reason = translation.gettext("nothing in column %(names)s: nobody is named") % {"names": "Phone"}
    assert reason in made.refused_file.read().decode()
    assert "nobody is named" not in reason


def test_the_imports_of_a_saved_mapping_are_a_click_away():
    saved = ImportMappingFactory(name="Members of the till")
    mine, _other = ImportFactory(saved_mapping=saved, name="mine.csv"), ImportFactory(name="other.csv")
    client = sign_in(OPERATOR)
    listed = client.get(reverse("admin:profiles_importmapping_changelist")).content.decode()
    address = unescape(listed.partition(reverse("admin:profiles_import_changelist") + "?")[2].partition('"')[0])

    shown = client.get(reverse("admin:profiles_import_changelist") + "?" + address)

    assert (mine.name in shown.content.decode(), "other.csv" in shown.content.decode()) == (True, False)


def test_a_saved_mapping_names_what_its_targets_read():
    listed = {"split": ";", "expires_at": {"column": "End"}, "tag": {"column": "Labels"}}
    mapping = {"identifiers": {"Phone": "phone"}, "tags": [listed]}

    assert words.mapping_in_words(mapping)[-1] == (
        "all rows",
        "Tags: Tag: Labels, several in a cell are parted by: ;, until: End",
    )
