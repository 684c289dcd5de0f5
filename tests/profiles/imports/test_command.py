"""Importing from the command line."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from cdp import runs
from cdp.models import Run
from profiles.management.commands import import_file
from profiles.models import Event, Import
from tests.factories.imports import ImportMappingFactory
from tests.factories.profiles import SourceFactory
from tests.profiles.imports.files import MEMBERS, MEMBERS_MAPPING
from tests.profiles.ingest.messages import people

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def files(tmp_path):
    SourceFactory(key="till")
    (tmp_path / "members.csv").write_text(MEMBERS)
    (tmp_path / "mapping.json").write_text(json.dumps(MEMBERS_MAPPING))
    return tmp_path


def command(folder, *, name="import_csv", file="members.csv", **options):
    out = StringIO()
    options = {"source": "till", "mapping": folder / "mapping.json", **options}
    given = {key: value for key, value in options.items() if value is not None}
    call_command(name, str(folder / file), **given, stdout=out)
    return out.getvalue()


def test_a_csv_file_is_imported_as_a_run(files):
    said = command(files)

    run = Run.objects.get()
    import_ = Import.objects.get()
    assert (run.kind, run.subject, run.state, run.percent) == ("import", f"import:{import_.pk}", "succeeded", 100)
    assert (
        "members.csv: rows 4, new 3, refused 1, consents 2, passed_over 2\n"
        "  refused: line 6: Phone\n  members.refused.csv: " in said
    )
    assert len(people()) == 3


def test_what_a_lost_connection_cut_off_goes_on_though_no_worker_runs(files, monkeypatch):
    work, losses = runs._functions["import"], [OperationalError("the connection is lost")]

    def cut_off_once(run, now):
        if losses:
            raise losses.pop()
        work(run, now)

    monkeypatch.setitem(runs._functions, "import", cut_off_once)
    monkeypatch.setattr(import_file, "PAUSE_SECONDS", 0)

    assert "rows 4, new 3, refused 1" in command(files)
    assert len(people()) == 3


def test_a_saved_mapping_has_its_source_and_a_dry_run_writes_nothing(files):
    mapping = ImportMappingFactory(key="members", mapping=MEMBERS_MAPPING, source__key="shop")

    said = command(files, name="import_file", source=None, mapping=None, saved_mapping="members", dry_run=True)

    assert "rows 4, new 3, refused 1" in said
    assert Import.objects.get().source == mapping.source
    assert not people()
    assert not Event.objects.exists()


def test_of_a_file_without_rows_that_is_said(files):
    (files / "none.csv").write_text(MEMBERS.splitlines()[0])

    assert command(files, file="none.csv").splitlines()[0].endswith("none.csv: rows 0")


def test_what_is_wrong_is_said(files, caplog):
    (files / "other.csv").write_text("Other\n1\n")
    (files / "broken.json").write_text("{")
    for n, wrong in enumerate([{"encoding": "latin-1"}, {"delimiter": "ab"}]):
        (files / f"wrong{n}.json").write_text(json.dumps(MEMBERS_MAPPING | wrong))

    for options, problem in [
        ({"source": "tilt"}, "No enabled source 'tilt'; there are: till"),
        ({"file": "none.csv"}, "none.csv: it is not there"),
        ({"file": "other.csv"}, "the file has none of the columns “Card”, “City”"),
        ({"mapping": files / "none.json"}, "none.json: it is not there"),
        ({"mapping": files / "broken.json"}, "broken.json: not JSON"),
        ({"mapping": files / "wrong0.json"}, 'mapping, "encoding": “latin-1” is not known'),
        ({"mapping": files / "wrong1.json"}, 'mapping, "delimiter": “ab” is not one character'),
        ({"name": "import_file", "mapping": None, "saved_mapping": "none"}, "No saved mapping 'none'; there are: none"),
    ]:
        with pytest.raises(CommandError, match=problem):
            command(files, **options)
        assert not any(record.exc_info for record in caplog.records)
    assert not Import.objects.exists()
