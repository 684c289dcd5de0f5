"""What the logs say of an error of the database."""

import logging
import subprocess
import sys

import pytest
from django.db import IntegrityError

from cdp.logs import Formatter
from cdp.servers.data_dir import BASE_DIR
from profiles.models import Source
from tests.factories.profiles import SourceFactory

WORKER = """
import logging
import django; django.setup()
from cdp.celery import app
app.log.setup("INFO")
print({type(handler.formatter) for handler in logging.getLogger().handlers})
"""


def raise_from_a_refused_row():
    SourceFactory(key="ann-at-example")
    try:
        Source.objects.create(key="ann-at-example", name="Ben")
    except IntegrityError as error:
        raise RuntimeError("in the middle") from error


@pytest.mark.django_db
def test_values_of_a_row_that_was_refused_are_not_logged():
    with pytest.raises(RuntimeError, match="in the middle") as raised:
        raise_from_a_refused_row()
    assert "ann-at-example" in str(raised.value.__cause__)  # else there is nothing to leave out
    info = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "raised: %r", (raised.value.__cause__,), info)

    text = Formatter("{message}", style="{").format(record)

    assert "ann-at-example" not in text.replace('key="ann-at-example"', "")  # the line of this test
    assert "DETAIL" not in text
    assert text.count("duplicate key value violates unique constraint") == 3
    assert "RuntimeError: in the middle" in text


def test_site_and_workers_log_so():
    done = subprocess.run([sys.executable, "-c", WORKER], cwd=BASE_DIR, capture_output=True, text=True, check=True)

    assert done.stdout == "{<class 'cdp.logs.Formatter'>}\n"
