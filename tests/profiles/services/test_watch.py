"""Watched folders: each new file once, and none that is still being written."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import OperationalError, connection

from cdp.models import Run
from cdp.runs import execute_run
from profiles import tasks
from profiles.models import Import, ImportedFile, Source
from profiles.services import watch
from profiles.services.imports import queue_import
from profiles.services.watch import import_new_files
from tests.factories.imports import ImportMappingFactory
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING, NOW

pytestmark = pytest.mark.django_db
LATER, QUIET = NOW + timedelta(seconds=15), NOW + timedelta(seconds=40)


@pytest.fixture
def folder(settings, tmp_path):
    settings.IMPORT_FOLDER, settings.IMPORT_QUIET_SECONDS = tmp_path / "in", 30
    folder = tmp_path / "in" / "till" / "members"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def mapping(folder):
    return ImportMappingFactory(mapping=MEMBERS_MAPPING, folder="till/members", is_watching=True)


def put(folder, content=MEMBERS, name="members.csv", at=NOW):
    path = folder / name
    path.write_text(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def stored():
    return [path for path in Path(default_storage.path("")).rglob("*") if path.is_file()]


def look(*times):
    """How many files each look takes up; what is taken up is imported before the next."""
    return [(import_new_files(now=time), Run.objects.update(state=Run.State.SUCCEEDED))[0] for time in times]


def test_a_quiet_file_is_imported_once(folder, mapping):
    put(folder)

    assert look(NOW, LATER, QUIET, QUIET + timedelta(days=1)) == [0, 0, 1, 0]
    import_ = Import.objects.get()
    assert (import_.name, import_.saved_mapping, import_.source) == ("members.csv", mapping, mapping.source)
    assert import_.run.kind == "import"
    assert list(ImportedFile.objects.values_list("name", "imported", "error")) == [("members.csv", import_.pk, "")]


@pytest.mark.usefixtures("mapping")
def test_a_file_that_grows_is_left_alone_until_it_is_quiet(folder):
    """Also where its time does not change, as copying programs may have it."""
    put(folder, MEMBERS[:50])
    look(NOW)
    put(folder, MEMBERS)

    assert look(QUIET, QUIET + timedelta(seconds=29), QUIET + timedelta(seconds=31)) == [0, 0, 1]
    assert Import.objects.get().size == len(MEMBERS.encode())


@pytest.mark.usefixtures("mapping")
def test_a_changed_file_is_imported_again_and_the_same_content_is_not(folder):
    put(folder)
    look(NOW, QUIET)
    put(folder, at=LATER)
    touched = look(QUIET + timedelta(hours=1), QUIET + timedelta(hours=2))
    put(folder, MEMBERS.replace("上海", "杭州"), at=QUIET)

    assert touched == [0, 0]
    assert look(QUIET + timedelta(hours=3), QUIET + timedelta(hours=4)) == [0, 1]
    assert Import.objects.count() == 2
    put(folder, MEMBERS, name="copy.csv")
    assert look(QUIET + timedelta(hours=5), QUIET + timedelta(hours=6)) == [0, 1]


@pytest.mark.usefixtures("mapping")
def test_unfinished_and_hidden_files_folders_and_links_are_passed_by(folder, tmp_path):
    for name in (".members.csv", "members.csv.part", "members.tmp"):
        put(folder, name=name)
    (folder / "done").mkdir()
    outside = put(tmp_path, name="secret.csv")
    (folder / "link.csv").symlink_to(outside)

    assert look(NOW, QUIET) == [0, 0]
    assert not ImportedFile.objects.exists()


def test_what_cannot_be_imported_is_said_once(folder, mapping):
    put(folder, "Other\n1\n")

    assert look(NOW, QUIET, QUIET + timedelta(days=1)) == [0, 0, 0]
    file = ImportedFile.objects.get()
    assert (
        file.error == "the file has none of the columns “Card”, “City”, “Joined”, “Name”, “Phone”, “SMS”; it has: Other"
    )
    made = Import.objects.with_state().get()
    assert (file.imported, made.run, made.state, made.not_queued) == (made, None, Import.State.FAILED, file.error)
    assert list(Import.objects.with_state().filter(state=Import.State.DRAFT)) == []


@pytest.mark.usefixtures("mapping")
def test_files_that_came_together_are_taken_in_one_after_another_as_they_were_written(folder):
    """By two workers at once, what an older file says of somebody could come behind what the newer one says."""
    put(folder, MEMBERS.replace("上海", "杭州"), name="a-later.csv", at=NOW - timedelta(hours=1))
    put(folder, name="b-earlier.csv", at=NOW - timedelta(hours=2))

    assert [import_new_files(now=time) for time in (NOW, QUIET, QUIET)] == [0, 1, 0]
    first = Import.objects.get()
    execute_run(first.run_id, now=QUIET)
    assert [import_new_files(now=time) for time in (QUIET, QUIET)] == [1, 0]
    assert list(Import.objects.order_by("pk").values_list("name", flat=True)) == ["b-earlier.csv", "a-later.csv"]


@pytest.mark.usefixtures("mapping")
def test_once_a_file_is_through_its_folder_is_looked_into(folder, monkeypatch, django_capture_on_commit_callbacks):
    asked = []
    monkeypatch.setattr(tasks.watch_folders, "delay", lambda: asked.append(1))
    put(folder)
    import_new_files(now=NOW)
    import_new_files(now=QUIET)

    with django_capture_on_commit_callbacks(execute=True):
        execute_run(Import.objects.get().run_id, now=QUIET)

    assert asked == [1]


@pytest.mark.usefixtures("mapping")
def test_a_look_asks_once_for_a_folder_however_many_files_lie_in_it(folder, django_assert_num_queries):
    for n in range(30):
        put(folder, MEMBERS + "\n" * n, name=f"{n}.csv")
    assert look(NOW, *[QUIET] * 30) == [0, *[1] * 30]

    with django_assert_num_queries(3):  # the mappings, the source, the files
        assert import_new_files(now=QUIET + timedelta(seconds=15)) == 0
    put(folder, name="new.csv")
    with django_assert_num_queries(3 + 1):  # how the new one stands
        assert import_new_files(now=QUIET + timedelta(seconds=30)) == 0


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_files_are_copied_and_hashed_in_no_transaction(folder, mapping, monkeypatch):
    """A mapping can be saved meanwhile, and a second worker leaves the folder to the first."""
    put(folder)
    looks, really = [], {"sha256_of": watch.sha256_of, "create_import": watch.create_import}

    def looked_at(name):
        def slow(*args, **given):
            looks.append((name, connection.in_atomic_block, import_new_files(now=QUIET)))
            return really[name](*args, **given)

        return slow

    for name in really:
        monkeypatch.setattr(watch, name, looked_at(name))

    assert look(NOW, QUIET) == [0, 1]
    assert looks == [("sha256_of", False, 0), ("create_import", False, 0)]
    assert Import.objects.count() == 1


@pytest.mark.parametrize("change", [{"is_watching": False}, {"mapping": {}}, {"folder": "till/more"}])
def test_a_mapping_that_changes_while_a_file_is_copied_is_asked_again(folder, mapping, monkeypatch, change):
    put(folder)
    real = watch.create_import

    def meanwhile(*args, **given):
        type(mapping).objects.update(**change)
        return real(*args, **given)

    monkeypatch.setattr(watch, "create_import", meanwhile)

    assert look(NOW, QUIET) == [0, 0]
    assert not Import.objects.exists()
    assert list(ImportedFile.objects.values_list("sha256", "error")) == [("", "")]
    assert stored() == []


def test_a_file_that_is_written_to_while_it_is_copied_waits_until_it_is_quiet(folder, mapping, monkeypatch):
    path = put(folder)
    real = watch.create_import

    def meanwhile(*args, **given):
        with path.open("a") as file:
            file.write("VIP009,,Late,,2025-02-01,1\n")
        return real(*args, **given)

    monkeypatch.setattr(watch, "create_import", meanwhile)
    assert look(NOW, QUIET) == [0, 0]
    monkeypatch.setattr(watch, "create_import", real)

    assert look(QUIET + timedelta(seconds=15), QUIET + timedelta(seconds=46)) == [0, 1]
    assert Import.objects.get().size == path.stat().st_size


def test_the_copy_of_a_file_whose_row_waits_too_long_does_not_stay(folder, mapping, monkeypatch):
    """Each look makes one, and the purge of stray files comes a day later."""

    def wait_too_long(*_args, **_options):
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE lock_not_available; END $$")

    put(folder)
    look(NOW)
    with monkeypatch.context() as patched:
        patched.setattr(watch, "queue_import", wait_too_long)
        for _time in range(2):
            with pytest.raises(OperationalError):
                look(QUIET)
            assert (stored(), Import.objects.count()) == ([], 0)

    assert look(QUIET) == [1]
    assert len(stored()) == 1


def test_the_copy_stays_while_nobody_knows_whether_its_row_was_written(folder, mapping, monkeypatch):
    def lose_the_server(*_args, **_options):
        raise OperationalError("server closed the connection unexpectedly")

    put(folder)
    look(NOW)
    monkeypatch.setattr(watch, "settle", lose_the_server)
    with pytest.raises(OperationalError):
        look(QUIET)

    assert len(stored()) == 1


def test_two_names_that_read_alike_are_two_files(folder, mapping):
    for n, encoding in enumerate(("gbk", "utf-8")):
        put(folder, MEMBERS + "\n" * n, name=os.fsdecode("会员.csv".encode(encoding)))

    assert look(NOW, QUIET, QUIET + timedelta(seconds=15), NOW + 3 * (QUIET - NOW)) == [0, 1, 0, 1]
    assert list(Import.objects.values_list("name", flat=True)) == ["会员.csv"] * 2


def becomes_of(name):
    """Whether a file was imported, and the words of its error."""
    file = ImportedFile.objects.get(name=name)
    return bool(file.imported), file.error


def test_whatever_is_wrong_with_a_file_is_said_of_it_and_the_others_go_on(folder, mapping, monkeypatch):
    """Also those of the folders behind: of one no reader foresees what it holds, one breaks a statement."""
    (folder.parent / "more").mkdir()
    ImportMappingFactory(mapping=MEMBERS_MAPPING, folder="till/more", is_watching=True)
    put(folder, name="a.csv")
    put(folder, MEMBERS.replace("张三", "李四"), name="b.csv")
    put(folder, MEMBERS.replace("张三", "王五"), name="c.csv")
    put(folder.parent / "more", name="d.csv")
    real = watch.create_import

    def poisoned(file, *, name, **given):
        if name == "a.csv":
            raise TypeError("what is\0 this?")
        return real(file, name=name, **given)

    def broken(made, **given):
        if made.name == "b.csv":
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")
        return queue_import(made, **given)

    monkeypatch.setattr(watch, "create_import", poisoned)
    monkeypatch.setattr(watch, "queue_import", broken)

    assert look(NOW, QUIET, QUIET + timedelta(days=1)) == [0, 2, 0]
    assert becomes_of("a.csv") == (False, "It cannot be imported: TypeError: what is this?")
    assert becomes_of("b.csv")[1].startswith("It cannot be imported: DataError: division by zero")
    assert (becomes_of("c.csv"), becomes_of("d.csv")) == ((True, ""), (True, ""))


def test_a_file_that_the_disk_does_not_give_is_tried_again(folder, mapping, monkeypatch):
    put(folder, name="a.csv")
    put(folder, MEMBERS.replace("张三", "李四"), name="b.csv")
    real = watch.sha256_of

    def guarded(path):
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(watch, "sha256_of", guarded)
    assert look(NOW, QUIET) == [0, 1]
    assert becomes_of("a.csv") == (False, "It cannot be taken in yet: the server has no right to it")
    assert becomes_of("b.csv") == (True, "")
    monkeypatch.setattr(watch, "sha256_of", real)

    assert look(QUIET + timedelta(seconds=15), QUIET + (QUIET - NOW)) == [0, 1]
    assert becomes_of("a.csv") == (True, "")


def test_what_a_full_disk_took_of_a_file_does_not_stay(folder, mapping, monkeypatch):
    put(folder)

    def chunks(_file, chunk_size=None):
        yield MEMBERS.encode()[:10]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(File, "chunks", chunks)

    assert look(NOW, QUIET) == [0, 0]
    assert becomes_of("members.csv") == (False, "It cannot be taken in yet: the disk is full")
    assert stored() == []


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("会员名单.csv".encode("gbk"), "会员名单.csv"),
        (b"members \xff\xff.csv", "members \ufffd\ufffd.csv"),
    ],
    ids=["GBK", "neither"],
)
def test_a_name_that_is_no_utf_8_is_read(folder, mapping, written, name):
    put(folder, name=os.fsdecode(written))

    assert look(NOW, QUIET, QUIET + timedelta(days=1)) == [0, 1, 0]
    assert becomes_of(name) == (True, "")
    assert Import.objects.get().name == name


@pytest.mark.parametrize("year", [1960, 2500])
def test_a_time_that_cannot_be_is_no_matter(folder, mapping, year):
    put(folder, at=NOW.replace(year=year))

    assert look(NOW, QUIET) == [0, 1]


@pytest.mark.parametrize("where", ["none", "out", "loop"])
def test_a_folder_that_is_not_there_or_leads_out_is_said(folder, mapping, tmp_path, where):
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere")
    (tmp_path / "in" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in" / "loop")
    mapping.folder = where
    mapping.save()

    assert look(NOW, QUIET) == [0, 0]
    mapping.refresh_from_db()
    assert mapping.watch_error == {
        "none": "none: it is not there", "out": "out: leads out of the import folder",
        "loop": "loop: its links lead to each other",
    }[where]  # fmt: skip


def test_a_folder_is_not_watched_any_more(folder, mapping):
    mapping.is_watching = False
    mapping.save()
    put(folder)

    assert look(NOW, QUIET) == [0, 0]


@pytest.mark.usefixtures("mapping")
@pytest.mark.parametrize("step", ["create_import", "queue_import"])
def test_a_source_that_is_disabled_while_a_file_is_taken_up_has_it_imported_later(folder, monkeypatch, step):
    put(folder)
    real = getattr(watch, step)

    def meanwhile(made, **given):
        Source.objects.update(is_enabled=False)
        return real(made, **given)

    monkeypatch.setattr(watch, step, meanwhile)
    assert look(NOW, QUIET) == [0, 0]
    monkeypatch.setattr(watch, step, real)
    assert list(ImportedFile.objects.values_list("sha256", "error")) == [("", "")]
    assert stored() == []

    Source.objects.update(is_enabled=True)
    assert look(QUIET + timedelta(days=1)) == [1]


def test_the_files_of_a_disabled_source_wait_until_it_is_enabled(folder, mapping):
    put(folder)
    Source.objects.update(is_enabled=False)

    assert look(NOW, QUIET) == [0, 0]
    mapping.refresh_from_db()
    assert mapping.watch_error == f"The source “{mapping.source.name}” is disabled: its files are not imported."
    assert not Import.objects.exists()
    Source.objects.update(is_enabled=True)
    assert look(NOW, QUIET) == [0, 1]
    mapping.refresh_from_db()
    assert mapping.watch_error == ""
