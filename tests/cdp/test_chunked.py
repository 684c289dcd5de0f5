"""Bodies in chunks, through the application that the server calls."""

import json
from io import BytesIO

import pytest
from django.conf import settings
from django.core.signals import request_started
from django.db import close_old_connections

from cdp.chunked import with_chunked_bodies
from cdp.wsgi import application
from profiles.models import InboxMessage
from tests.factories.cdp import ApiTokenFactory
from tests.factories.profiles import SourceFactory


@pytest.fixture(autouse=True)
def same_connection():
    """The test's transaction, which a request would end, as Django's test client keeps it."""
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


class Trickle(BytesIO):
    """Gives three bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size or 0))


def post(path, stream, **headers):
    """Status and JSON of the answer to a POST whose length nobody tells, as granian hands it over."""
    told = []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json", "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": stream, "wsgi.input_terminated": True, "wsgi.url_scheme": "http", "wsgi.errors": BytesIO(),
        **headers,
    }  # fmt: skip
    answer = b"".join(application(environ, lambda status, headers: told.append(status)))
    return int(told[0].split()[0]), json.loads(answer)


@pytest.mark.django_db
def test_a_chunked_message_is_collected():
    SourceFactory(write_key="WK")
    message = {"event": "Login", "userId": "u1", "writeKey": "WK"}

    status, _answer = post("/v1/track", Trickle(json.dumps(message).encode()))

    assert status == 200
    assert InboxMessage.objects.count() == 1


@pytest.mark.django_db
def test_a_chunked_body_of_the_api_is_read():
    token = {"HTTP_AUTHORIZATION": f"Bearer {ApiTokenFactory(role='operator').text}"}
    tag = {"key": "vip", "name": "VIP", "kind": "manual"}

    assert post("/api/v1/tags/", Trickle(json.dumps(tag).encode()), **token)[0] == 201


@pytest.mark.django_db
def test_a_chunked_body_has_the_same_limits():
    SourceFactory(write_key="WK")
    token = {"HTTP_AUTHORIZATION": f"Bearer {ApiTokenFactory(role='operator').text}"}
    endless = max(settings.COLLECT_MAX_REQUEST_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) * 2

    assert post("/v1/track", BytesIO(b" " * endless))[0] == 413
    assert post("/api/v1/tags/", BytesIO(b" " * endless), **token)[0] == 413


def test_a_body_whose_end_is_not_marked_is_left_alone():
    seen = []
    stream = Trickle(b"abc")

    with_chunked_bodies(lambda environ, _start: seen.append(environ) or [], limit=9)({"wsgi.input": stream}, None)

    assert seen == [{"wsgi.input": stream}]
