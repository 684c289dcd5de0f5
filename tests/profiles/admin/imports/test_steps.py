"""From the upload of a file to the check of its columns, as an operator goes."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from cdp.models import Run
from cdp.roles import CAMPAIGN_MANAGER, OPERATOR, PRIVACY_OFFICER, VIEWER
from cdp.uploads import upload_dir
from profiles.models import Import
from profiles.services.imports import ImportStateError, read_otherwise
from tests.factories.imports import ImportFactory, ImportMappingFactory
from tests.factories.profiles import SourceFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
MEMBERS = "会员卡号,姓名,手机号,生日\r\nC1,张三,13800138000,1990-01-31\r\nC2,李四,abc,1990-02-30\r\n"
IN_GB18030 = MEMBERS.encode("gb18030")
ADD = "/admin/profiles/import/add/"


@pytest.fixture
def till():
    return SourceFactory(key="till", name="Till", kind="file")


def upload(client, source, content=IN_GB18030, name="会员.csv", **fields):
    file = SimpleUploadedFile(name, content)
    return client.post(ADD, {"source": source.pk, "file": file, **fields}, headers={"accept": "application/json"})


def page(imported, name):
    return reverse(f"admin:profiles_import_{name}", args=[imported.pk])


def test_a_file_is_uploaded_and_its_columns_are_guessed(till):
    client = sign_in(OPERATOR)

    answer = upload(client, till)

    made = Import.objects.get()
    assert answer.json() == {"location": page(made, "file")}
    assert (made.name, made.source, made.encoding, made.format) == ("会员.csv", till, "gb18030", "csv")
    assert made.mapping["identifiers"] == {"会员卡号": "member_card", "手机号": "phone"}
    assert made.file.read().decode("gb18030") == MEMBERS
    assert list(upload_dir().iterdir()) == []
    shown = client.get(page(made, "file")).content.decode()
    assert "张三" in shown
    assert '<option value="gb18030" selected>' in shown


def test_of_several_sources_the_one_of_the_last_file_is_chosen_else_none(till):
    till.kind = "till"
    till.save()
    client = sign_in(OPERATOR)
    alone = client.get(ADD).context["form"]["source"].value()
    other = SourceFactory(key="app", name="App", kind="wechat")

    several = client.get(ADD)
    ImportFactory(source=other, user=None)
    of_anybody = client.get(ADD).context["form"]["source"].value()
    ImportFactory(source=till, user=several.wsgi_request.user)
    ImportFactory(source=other, user=None)
    own = client.get(ADD).context["form"]["source"].value()

    assert (alone, several.context["form"]["source"].value(), of_anybody, own) == (till.pk, None, other.pk, till.pk)
    assert '<option value="" selected>Choose</option>' in several.content.decode()


def test_a_file_without_a_source_is_refused_at_the_source(till):
    answer = sign_in(OPERATOR).post(
        ADD, {"source": "", "file": SimpleUploadedFile("m.csv", b"Phone\n1\n")}, headers={"accept": "application/json"}
    )

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["source"])


def test_without_its_script_the_page_uploads_too(till):
    answer = sign_in(OPERATOR).post(ADD, {"source": till.pk, "file": SimpleUploadedFile("m.csv", b"Phone\n1\n")})

    assert answer.status_code == 302
    assert answer["Location"] == page(Import.objects.get(), "file")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.csv", "The file is empty."),
        (b"PK\x03\x04\x14\x00", "members.xlsx", "The file is a workbook (.xlsx): save the sheet as CSV."),
        (b"\xff\xfea\x00", "utf16.csv", "is UTF-16: save it as UTF-8."),
        (b"\n\n", "blank.csv", "The file is empty."),
    ],
    ids=["empty", "workbook", "utf-16", "blank"],
)
def test_a_file_that_cannot_be_read_says_why_and_is_not_kept(till, content, name, words):
    answer = upload(sign_in(OPERATOR), till, content, name)

    assert answer.status_code == 400
    assert words in answer.json()["errors"]["file"][0]["message"]
    assert not Import.objects.exists()


def test_a_file_that_is_too_large_is_refused_before_it_is_read(till, settings):
    settings.IMPORT_MAX_UPLOAD_BYTES = 1000

    answer = upload(sign_in(OPERATOR), till, b"a" * 2_000_000)

    assert answer.status_code == 413
    assert "The file is larger than 1000" in answer.json()["errors"]["file"][0]["message"]


@pytest.mark.parametrize("role", [VIEWER, CAMPAIGN_MANAGER, PRIVACY_OFFICER])
def test_only_who_imports_sees_the_steps(till, role):
    made = ImportFactory(text=MEMBERS)
    client = sign_in(role)

    assert client.get(ADD).status_code == 403
    assert upload(client, till).status_code == 403
    for name in ("file", "columns"):
        assert client.get(page(made, name)).status_code == 403
    assert client.post(page(made, "start")).status_code == 403
    assert client.get(page(made, "change")).status_code == 200


def test_without_a_token_of_the_form_nothing_is_uploaded(till):
    client = sign_in(OPERATOR)
    client.handler.enforce_csrf_checks = True

    assert upload(client, till).status_code == 403
    assert not Import.objects.exists()


def test_a_saved_mapping_whose_columns_agree_is_chosen_and_another_is_not(till):
    mapping = {"identifiers": {"会员卡号": "member_card"}, "traits": {"姓名": "name", "生日": "birthday"}}
    fits = ImportMappingFactory(source=till, mapping=mapping)
    ImportMappingFactory(source=till, mapping={"identifiers": {"Mobile": "phone"}, "traits": {"姓名": "name"}})
    ImportMappingFactory(
        source=till, mapping={"identifiers": {"会员卡号": "member_card"}, "event": "Seen", "time": "生日"}
    )

    upload(sign_in(OPERATOR), till)

    made = Import.objects.get()
    assert (made.saved_mapping, made.mapping) == (fits, mapping)


def test_the_corrected_rows_are_understood_as_in_the_import_that_refused_them(till):
    before = ImportFactory(
        source=till, mapping={"identifiers": {"会员卡号": "member_card"}, "traits": {"姓名": "nick"}}
    )
    client = sign_in(OPERATOR)

    form = client.get(f"{ADD}?like={before.pk}").content.decode()
    upload(client, till, like=before.pk)

    assert "The columns are understood as in “members.csv”" in form
    assert Import.objects.latest("pk").mapping == before.mapping


def test_how_the_file_is_read_can_be_chosen_otherwise(till):
    made = ImportFactory(source=till, text="Phone;Name\n13800138000;Ann\n", mapping={})
    client = sign_in(OPERATOR)

    answer = client.post(
        page(made, "file"), {"format": "csv", "encoding": "utf-8", "delimiter": ";"}, headers={"hx-request": "true"}
    )

    made.refresh_from_db()
    assert "<td>13800138000</td><td>Ann</td>" in answer.content.decode()
    assert (made.delimiter, made.mapping["identifiers"]) == (";", {"Phone": "phone"})


def test_the_first_line_can_be_a_row_already(till):
    made = ImportFactory(source=till, text="13800138000,Ann\n13900139000,Bob\n", mapping={})
    client = sign_in(OPERATOR)
    how = {"format": "csv", "encoding": "utf-8", "delimiter": ","}

    as_row = client.post(page(made, "file"), {**how, "header": "row"}, headers={"hx-request": "true"})
    made.refresh_from_db()
    chosen = client.get(page(made, "file")).content.decode()

    assert "<th>1</th><th>2</th>" in as_row.content.decode()
    assert made.mapping == {"header": False, "identifiers": {"1": "phone"}}
    assert '<option value="row" selected>A row already</option>' in chosen
    assert "<td>13800138000</td><td>Ann</td>" in chosen
    client.post(page(made, "file"), {**how, "header": "names"}, headers={"hx-request": "true"})
    made.refresh_from_db()
    assert "header" not in made.mapping


def test_a_reading_that_does_not_do_is_not_kept(till):
    made = ImportFactory(source=till)

    answer = sign_in(OPERATOR).post(
        page(made, "file"), {"format": "parquet", "encoding": "utf-8", "delimiter": ","}, headers={"hx-request": "true"}
    )

    made.refresh_from_db()
    assert 'role="alert"' in answer.content.decode()
    assert made.format == "csv"


def test_cells_of_ndjson_are_shown_as_they_were_written(till):
    lines = '{"card": "C1", "vip": true, "age": 30, "tags": ["a", null], "city": null}\n'
    made = ImportFactory(source=till, text=lines, name="members.ndjson", format="ndjson", mapping={})
    client = sign_in(OPERATOR)

    first = client.get(page(made, "file")).context["rows"]
    samples = client.get(page(made, "columns")).context["choices"]["samples"]

    assert first == [["C1", "true", "30", '["a",null]', ""]]
    assert samples == {"card": ["C1"], "vip": ["true"], "age": ["30"], "tags": ['["a",null]'], "city": []}


@pytest.mark.parametrize("rows", ["", "C1\n"], ids=["none", "broken"])
def test_of_a_file_without_rows_nothing_is_promised(till, rows):
    made = ImportFactory(
        source=till, text="会员卡号,姓名\n" + rows, mapping={"identifiers": {"会员卡号": "member_card"}}
    )

    shown = sign_in(OPERATOR).get(page(made, "file")).content.decode()

    assert "No row could be read below the header." in shown


def test_of_no_rows_the_preview_says_that_there_are_none(till):
    made = ImportFactory(source=till, text="会员卡号,生日\n", mapping={})

    shown = sign_in(OPERATOR).post(page(made, "preview"), {"state": state_with(*GOOD)}).content.decode()

    assert "There is no row to take in." in shown
    assert "All of them" not in shown


# --- Columns ---


def state_with(*columns, **more):
    return json.dumps({"columns": [{"name": name, "uses": [use]} for name, use in columns], **more})


def use(as_, key="", **more):
    return {"as": as_, "key": key, "type": "", "format": "", "more": {}, **more}


GOOD = (("会员卡号", use("identifier", "member_card")), ("生日", use("trait", "birthday", type="date")))


def test_the_preview_shows_what_rows_become_and_what_is_wrong_at_the_cell(till):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})
    columns = (*GOOD, ("手机号", use("identifier", "phone")))

    shown = sign_in(OPERATOR).post(page(made, "preview"), {"state": state_with(*columns)}).content.decode()

    made.refresh_from_db()
    assert made.mapping == {
        "identifiers": {"会员卡号": "member_card", "手机号": "phone"},
        "traits": {"生日": {"key": "birthday", "type": "date"}},
    }
    assert "→" not in shown  # the arrow is the style's
    assert '13800138000<span class="st-becomes">+8613800138000</span>' in shown
    assert (
        '<td class="st-bad">1990-02-30<span class="st-problem">“1990-02-30” is not of the type “Date”, '
        "such as 2026-01-31</span>" in shown
    )
    assert '<td class="st-warned">abc<span class="st-problem">' in shown
    assert "1 of 2 would be refused." in shown


def test_columns_without_a_name_are_not_offered(till):
    """A spreadsheet leaves them behind its last one; the step before says that they are passed by."""
    made = ImportFactory(source=till, text="会员卡号,城市,,\nC1,上海,,\n", mapping={})

    shown = sign_in(OPERATOR).get(page(made, "columns"))

    assert [column["name"] for column in shown.context["state"]["columns"]] == ["会员卡号", "城市"]


def test_what_is_wrong_with_a_column_is_told_at_that_column(till):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})
    columns = (("会员卡号", use("identifier", "no-such-kind")), ("生日", use("trait", "")))

    answer = sign_in(OPERATOR).post(page(made, "preview"), {"state": state_with(*columns)})

    assert answer.context["column_problems"].keys() == {"会员卡号", "生日"}
    assert "First put right what is marked at the columns." in answer.content.decode()


def test_no_column_that_says_who_it_is_is_told_in_words(till):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})

    shown = sign_in(OPERATOR).post(page(made, "preview"), {"state": state_with(("姓名", use("trait", "name")))})

    assert "which columns say who it is?" in shown.content.decode()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"targets": {"tags": [{}]}}, "Tags: choose “Tag” first."),
        ({"targets": {"tags": [{"tag": "none"}]}}, "Tags, Tag: there is no tag by hand or by import “none”"),
        ({"event": "Order Completed"}, "Events need a time: choose “Time” at a column, or write one for all rows."),
    ],
    ids=["nothing chosen", "not there", "no time"],
)
def test_what_is_wrong_beside_the_columns_is_told_as_the_page_calls_it(till, more, words):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})
    client = sign_in(OPERATOR)

    preview = client.post(page(made, "preview"), {"state": state_with(*GOOD, **more)}).content.decode()
    checked = client.get(page(made, "change")).content.decode()

    assert words in preview
    assert words in checked


def test_good_columns_are_kept_and_checked(till):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})

    answer = sign_in(OPERATOR).post(page(made, "columns"), {"state": state_with(*GOOD), "check": "1"})

    made.refresh_from_db()
    assert answer["Location"] == page(made, "change")
    assert (made.run.kind, made.run.state) == ("dry_run", Run.State.QUEUED)
    assert made.mapping["identifiers"] == {"会员卡号": "member_card"}


def test_bad_columns_come_again_with_what_was_chosen(till):
    made = ImportFactory(source=till, text=MEMBERS, mapping={})

    answer = sign_in(OPERATOR).post(page(made, "columns"), {"state": state_with(("生日", use("trait", "birthday")))})

    made.refresh_from_db()
    assert "Something is missing or does not fit" in answer.content.decode()
    assert answer.context["state"]["columns"][3]["uses"][0]["key"] == "birthday"
    assert made.run is None


@pytest.mark.parametrize("state", ["", "[]", "{", "null", '{"columns": 7}', "[" * 100_000, '{"event": "\\u0000"}'])
def test_nonsense_in_place_of_a_form_is_refused(till, state):
    made = ImportFactory(source=till, text=MEMBERS)

    answers = [sign_in(OPERATOR).post(page(made, name), {"state": state}) for name in ("preview", "columns")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("reload the page" in answer.content.decode() for answer in answers)
    assert Import.objects.get().mapping == made.mapping


def test_columns_are_fixed_once_rows_are_in(till):
    made = ImportFactory(source=till, n_done=1)
    client = sign_in(OPERATOR)

    assert client.get(page(made, "columns"))["Location"] == page(made, "change")
    assert client.post(page(made, "preview"), {"state": state_with(*GOOD)}).status_code == 405
    assert Import.objects.get().mapping == made.mapping


def test_what_somebody_else_has_changed_since_is_not_imported_unseen(till):
    """Of two operators: one has the page of the checked file open, the other chooses its columns otherwise."""
    client = sign_in(OPERATOR)
    upload(client, till)
    made = Import.objects.get()
    seen = client.get(page(made, "change")).context["seen"]
    Import.objects.update(mapping=made.mapping | {"traits": {"姓名": "nickname"}})

    answer = client.post(page(made, "start"), {"seen": seen}, follow=True)

    assert "Somebody has changed meanwhile how this file is understood" in answer.content.decode()
    assert not Run.objects.exists()
    started = client.post(page(made, "start"), {"seen": answer.context["seen"]}, follow=True)
    assert "Somebody has changed" not in started.content.decode()
    assert Run.objects.get().kind == "import"


@pytest.mark.parametrize(("n_done", "run_state"), [(0, "queued"), (1, "cancelled")], ids=["queued", "begun"])
def test_what_was_started_meanwhile_is_not_understood_otherwise(n_done, run_state):
    """Between the look at its state and the saving, when the file is read."""
    imported = ImportFactory()
    run = Run.objects.create(kind="import", subject=f"import:{imported.pk}", state=run_state)
    Import.objects.update(n_done=n_done, run=run)
    before = Import.objects.values().get()

    with pytest.raises(ImportStateError):
        read_otherwise(imported, mapping={"traits": {}})

    assert Import.objects.values().get() == before
