"""Files over HTTP: uploaded, guessed, imported, refused in part, taken back."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from cdp.models import Run
from cdp.runs import execute_run
from cdp.uploads import upload_dir
from profiles.models import Import, ImportMapping, Profile
from profiles.services.watch import import_new_files
from tests.clients import api_of
from tests.factories.imports import MAPPING, ImportFactory, ImportMappingFactory
from tests.factories.profiles import SourceFactory

pytestmark = pytest.mark.django_db
TEXT = "Name,Phone\nAnn,13800138000\nBob,\n"
IN_UTF_8 = TEXT.encode()


@pytest.fixture
def till():
    return SourceFactory(key="till")


def post(api, path="imports/", content=IN_UTF_8, name="members.csv", headers=None, **fields):
    return api.post(f"/api/v1/{path}", {"file": SimpleUploadedFile(name, content), **fields}, headers=headers or {})


def carry_out(answer):
    execute_run(answer.json()["id"], now=timezone.now())


def test_a_file_is_imported_with_its_mapping_and_followed(till):
    api = api_of("integration")

    answer = post(api, source="till", mapping=json.dumps(MAPPING))
    carry_out(answer)

    made = Import.objects.get()
    assert answer.status_code == 202
    assert (answer.json()["kind"], answer.json()["import"]) == ("import", made.pk)
    assert answer["Location"] == f"/api/v1/runs/{made.run_id}/"
    shown = api.send("get", f"imports/{made.pk}/").json()
    assert {key: shown[key] for key in ("name", "source", "state", "n_rows", "n_done", "has_refused", "mapping")} == {
        "name": "members.csv", "source": "till", "state": "complete", "n_rows": 2, "n_done": 2, "has_refused": True,
        "mapping": MAPPING,
    }  # fmt: skip
    assert (shown["counts"]["new"], shown["counts"]["refused"]) == (1, 1)
    assert "Bob" in api.send("get", f"imports/{made.pk}/refused/").getvalue().decode()
    assert [row["id"] for row in api.send("get", "imports/?state=complete&source=till").json()["results"]] == [made.pk]
    assert api.send("get", "imports/?state=draft").json()["results"] == []


def test_a_dry_run_takes_nothing_and_is_followed_by_a_start(till):
    ImportMappingFactory(key="members", source=till)
    api = api_of("operator")

    carry_out(post(api, saved_mapping="members", dry_run="true"))

    made = Import.objects.get()
    assert (made.dry_run_counts["new"], Profile.objects.count()) == (1, 0)
    carry_out(api.send("post", f"imports/{made.pk}/start/", {}))
    assert Profile.objects.count() == 1
    assert api.send("post", f"imports/{made.pk}/start/", {}).status_code == 409


def test_what_was_checked_is_what_is_started(till):
    api = api_of("operator")
    carry_out(post(api, source="till", mapping=json.dumps(MAPPING), dry_run="true"))
    made = Import.objects.get()
    shown = api.send("get", f"imports/{made.pk}/").json()
    Import.objects.update(mapping=MAPPING | {"traits": {"Name": "nickname"}})

    started = api.send("post", f"imports/{made.pk}/start/", {"seen": shown["reading"]})

    words = "Somebody has changed meanwhile how this file is understood: look at it, and check it again."
    assert (started.status_code, started.json()["detail"]) == (409, words)
    assert (Import.objects.get().n_done, Profile.objects.count()) == (0, 0)
    seen = api.send("get", f"imports/{made.pk}/").json()["reading"]
    carry_out(api.send("post", f"imports/{made.pk}/start/", {"seen": seen}))
    assert Profile.objects.get().attributes == {"nickname": "Ann"}
    assert api_of("viewer").send("get", f"imports/{made.pk}/").json()["reading"] is None


def test_files_of_a_disabled_source_are_refused(till):
    ImportMappingFactory(key="members", source=till)
    api = api_of("operator")
    carry_out(post(api, saved_mapping="members", dry_run="true"))
    made = Import.objects.get()
    till.is_enabled = False
    till.save()
    words = f"The source “{till.name}” is disabled: its files are not imported."

    posted = post(api, saved_mapping="members")
    started = api.send("post", f"imports/{made.pk}/start/", {})

    assert (posted.status_code, posted.json()["errors"]) == (400, [{"path": "saved_mapping", "message": words}])
    assert (started.status_code, started.json()["detail"]) == (409, words)
    assert (Import.objects.get().n_done, Profile.objects.count()) == (0, 0)


def test_an_import_is_taken_back_once(till):
    api = api_of("operator")
    carry_out(post(api, source="till", mapping=json.dumps(MAPPING)))
    made = Import.objects.get()

    carry_out(api.send("post", f"imports/{made.pk}/take-back/"))

    assert api.send("get", f"imports/{made.pk}/").json()["state"] == "taken_back"
    assert api.send("post", f"imports/{made.pk}/take-back/").status_code == 409


def test_later_files_that_lost_rows_are_listed_and_imported_again(till):
    api, fields = api_of("operator"), {"source": "till", "mapping": json.dumps(MAPPING)}
    for n in range(2):
        carry_out(post(api, content=b"Name,Phone\nAnn,13800138000\n" + b"\n" * n, **fields))
    later, made = Import.objects.all()
    carry_out(api.send("post", f"imports/{made.pk}/take-back/"))

    lost = api.send("get", f"imports/{made.pk}/leaning/").json()["results"]
    carry_out(api.send("post", f"imports/{made.pk}/import-again/"))

    at = later.created_at.isoformat().replace("+00:00", "Z")
    row = {"import": later.pk, "name": "members.csv", "created_at": at, "is_kept": True, "is_again": False}
    assert lost == [row]
    assert api.send("get", f"imports/{made.pk}/leaning/").json()["results"] == [row | {"is_again": True}]
    assert Profile.objects.current().get().attributes == {"name": "Ann"}
    assert api.send("post", f"imports/{made.pk}/import-again/").status_code == 409


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"source": "till"}, "mapping"),
        ({"mapping": "{"}, "mapping"),
        ({"mapping": json.dumps(MAPPING)}, "source"),
        ({"source": "strata", "mapping": json.dumps(MAPPING)}, "source"),
        ({"source": "till", "mapping": json.dumps({**MAPPING, "traits": {"Name": {"type": "text"}}})},
         "mapping.traits.Name"),
        ({"source": "till", "mapping": json.dumps({"identifiers": {"Mobile": "phone"}, "traits": {"Name": "name"}})},
         "mapping.identifiers.Mobile"),
        ({"saved_mapping": "none"}, "saved_mapping"),
        ({"source": "till", "mapping": json.dumps(MAPPING), "no such": "1"}, "no such"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_its_place_and_nothing_is_kept(till, fields, path):
    answer = post(api_of("operator"), **fields)

    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]][:1] == [path]
    assert not Import.objects.exists()
    assert not Run.objects.exists()
    assert list(upload_dir().iterdir()) == []


def test_a_workbook_and_a_file_that_is_too_large_are_refused(till, settings):
    api, fields = api_of("operator"), {"source": "till", "mapping": json.dumps(MAPPING)}

    workbook = post(api, content=b"PK\x03\x04\x14\x00", name="members.xlsx", **fields)
    settings.IMPORT_MAX_UPLOAD_BYTES = 1000
    large = post(api, content=b"a" * 2_000_000, **fields)

    assert (workbook.status_code, workbook.json()["errors"][0]["path"]) == (400, "file")
    assert (large.status_code, large["Content-Type"]) == (413, "application/problem+json")


def test_the_same_file_sent_again_under_one_key_is_one_import_and_another_file_is_refused(till):
    api, fields = api_of("integration"), {"source": "till", "mapping": json.dumps(MAPPING)}
    headers = {"Idempotency-Key": "monday"}

    first, again = (post(api, headers=headers, **fields) for _time in range(2))
    other = post(api, content=b"Name,Phone\nCid,13800138001\n", headers=headers, **fields)

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.json() == first.json()
    assert Import.objects.count() == 1


def test_a_mapping_is_guessed_and_nothing_is_kept(till):
    answer = post(
        api_of("operator"), "imports/guess/", "姓名,手机号\n张三,13800138000\n".encode("gb18030"), source="till"
    )

    body = answer.json()
    assert answer.status_code == 200
    assert (body["encoding"], body["columns"], body["problems"]) == ("gb18030", ["姓名", "手机号"], [])
    assert body["mapping"]["identifiers"] == {"手机号": "phone"}
    assert not Import.objects.exists()


def test_a_file_without_a_header_is_guessed_by_its_cells(till):
    answer = post(api_of("operator"), "imports/guess/", "张三,13800138000\n".encode(), source="till", header="false")

    body = answer.json()
    assert (answer.status_code, body["columns"]) == (200, ["1", "2"])
    assert body["mapping"] == {"header": False, "identifiers": {"2": "phone"}}


def test_viewers_see_counts_and_no_mapping():
    made = ImportFactory(counts={"new": 3}, n_done=3)

    shown = api_of("viewer").send("get", f"imports/{made.pk}/").json()

    assert (shown["counts"], shown["mapping"]) == ({"new": 3}, None)


def test_columns_of_refused_rows_are_for_those_who_may_see_personal_data():
    """A file without a header has people for columns."""
    counts = {"new": 3, "refused": 2, "refused_rows": ["3: 王五, 13800139999", "4"]}
    made = ImportFactory(counts=counts, dry_run_counts=counts)

    shown = {role: api_of(role).send("get", f"imports/{made.pk}/").json() for role in ("viewer", "operator")}

    hidden = {"new": 3, "refused": 2, "refused_rows": ["3", "4"]}
    assert (shown["viewer"]["counts"], shown["viewer"]["dry_run_counts"]) == (hidden, hidden)
    assert (shown["operator"]["counts"], shown["operator"]["dry_run_counts"]) == (counts, counts)


@pytest.mark.parametrize("n", [1, 20])
def test_a_list_of_imports_is_one_query(n, django_assert_num_queries):
    api = api_of("operator")
    for _time in range(n):
        ImportFactory()

    with django_assert_num_queries(3 + 1):
        assert len(api.send("get", "imports/").json()["results"]) == n


# --- Saved mappings ---


def test_a_mapping_is_saved_changed_and_deleted(till):
    api = api_of("operator")
    body = {"key": "members", "name": "Members", "source": "till", "mapping": MAPPING}

    made = api.send("post", "import-mappings/", body)
    changed = api.send("patch", "import-mappings/members/", {"folder": "till", "is_watching": True})

    assert (made.status_code, made.json()["mapping"], made.json()["is_watching"]) == (201, MAPPING, False)
    assert (changed.json()["folder"], changed.json()["is_watching"]) == ("till", True)
    assert api.send("delete", "import-mappings/members/").status_code == 204
    assert not ImportMapping.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"is_watching": True}, "folder"),
        ({"folder": "../secret"}, "folder"),
        ({"mapping": {"identifiers": {"A": "no such"}, "traits": {"B": "b"}}}, "mapping.identifiers.A"),
        ({"source": "none"}, "source"),
        ({"key": "other"}, "key"),
    ],
)
def test_a_saved_mapping_that_does_not_do_is_refused(till, body, path):
    ImportMappingFactory(key="members", source=till)

    answer = api_of("operator").send("patch", "import-mappings/members/", body)

    assert (answer.status_code, [error["path"] for error in answer.json()["errors"]]) == (400, [path])


def test_two_mappings_of_a_source_have_two_names(till):
    api, first = api_of("operator"), ImportMappingFactory(key="members", name="Members", source=till)
    ImportMappingFactory(key="double", name="Members", source=till)  # from before names were looked at
    body = {"key": "more", "name": "Members", "source": "till", "mapping": MAPPING}

    answer = api.send("post", "import-mappings/", body)
    again = api.send("patch", "import-mappings/members/", {"name": "Members", "folder": "till"})
    elsewhere = api.send("post", "import-mappings/", body | {"source": SourceFactory().key})
    moved = api.send("patch", "import-mappings/more/", {"source": "till"})

    assert [(each.status_code, each.json()["errors"][0]["path"]) for each in (answer, moved)] == [(400, "name")] * 2
    assert (again.status_code, elsewhere.status_code) == (200, 201)
    first.refresh_from_db()
    assert first.folder == "till"


def test_files_of_a_folder_that_could_not_be_taken_in_say_why(till, settings, tmp_path):
    """To whoever may see personal data; the import that was not started says it too."""
    settings.IMPORT_FOLDER, settings.IMPORT_QUIET_SECONDS = tmp_path, 0
    (tmp_path / "till").mkdir()
    for name, text in (("a.csv", "Other\n1\n"), ("b.csv", "Name,Phone\nAnn,13800138000\n")):
        (tmp_path / "till" / name).write_text(text)
    ImportMappingFactory(key="members", source=till, folder="till", is_watching=True)
    for _time in range(2):
        import_new_files(now=timezone.now())
    good, odd = Import.objects.all()

    operator, officer = api_of("operator"), api_of("privacy_officer")
    files = operator.send("get", "import-mappings/members/files/").json()["results"]
    shown, hidden = (each.send("get", f"imports/{odd.pk}/").json() for each in (operator, officer))

    assert [(file["name"], file["import"], file["error"] == "") for file in files] == [
        ("b.csv", good.pk, True),
        ("a.csv", odd.pk, False),
    ]
    assert files[1]["error"] == "the file has none of the columns “Name”, “Phone”; it has: Other"
    assert (shown["state"], shown["error"]) == ("failed", files[1]["error"])
    viewer = api_of("viewer").send("get", f"imports/{odd.pk}/").json()
    assert (viewer["state"], viewer["error"]) == ("failed", "Details are hidden: they may hold personal data.")
    assert hidden["error"] == shown["error"]
    assert operator.send("get", f"imports/{good.pk}/").json()["error"] == ""
