import os
from dataclasses import replace

import pytest

from campaigns.channels.base import Deferred, Message, Refused, Sent, channel_of
from campaigns.channels.outbox import NotInOutboxError, list_outbox, outbox_counts, read_message


@pytest.fixture
def message(now):
    return Message(
        campaign="spring",
        delivery_id=7,
        address="ann@example.com",
        subject="春天 für Ann",
        html="<p>你好</p>",
        text="你好\n",
        written_at=now,
    )


@pytest.fixture
def outbox():
    with channel_of("outbox").open() as sender:
        yield sender


def test_a_message_is_one_file_and_reads_as_it_was(outbox, message, settings):
    assert outbox.send(message) == Sent("spring/7.eml")

    assert [path.name for path in (settings.OUTBOX_DIR / "spring").iterdir()] == ["7.eml"]
    read = read_message("spring", 7)
    assert (read.to, read.subject) == ("ann@example.com", "春天 für Ann")
    assert (read.html.strip(), read.text.strip()) == ("<p>你好</p>", "你好")


def test_a_second_try_replaces_the_file(outbox, message):
    outbox.send(message)

    outbox.send(replace(message, subject="Again"))

    assert outbox_counts() == {"spring": 1}
    assert read_message("spring", 7).subject == "Again"


def test_an_address_of_two_lines_is_refused_and_writes_nothing(outbox, message):
    answer = outbox.send(replace(message, address="ann@example.com\nBcc: all@example.com"))

    assert isinstance(answer, Refused)
    assert outbox_counts() == {}


def test_a_full_disk_is_tried_later_and_leaves_nothing_readable(outbox, message, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert outbox.send(message) == Deferred("OSError: No space left on device")
    assert outbox_counts() == {"spring": 0}


def test_the_list_is_paged_and_reads_its_page_alone(outbox, message, settings, monkeypatch):
    for delivery_id in range(1, 6):
        outbox.send(replace(message, delivery_id=delivery_id, subject=f"No {delivery_id}"))
    (settings.OUTBOX_DIR / "spring" / "3.eml").chmod(0)
    (settings.OUTBOX_DIR / "spring" / "1.eml").write_bytes(b"")
    (settings.OUTBOX_DIR / "spring" / "notes.txt").write_text("not a message")

    page = list_outbox("spring", page=1, page_size=2)

    assert [entry.subject for entry in page.entries] == ["No 5", "No 4"]
    assert (page.number, page.n_pages, page.n_messages) == (1, 3, 5)
    assert list_outbox("spring", page=99, page_size=2).number == 3
    assert list_outbox("spring", page=-1, page_size=2).number == 1


@pytest.mark.parametrize("key", ["..", ".", "", "spring/../..", "/etc", "a\x00b", "nobody"])
def test_what_is_no_campaign_is_not_there(key):
    with pytest.raises(NotInOutboxError):
        list_outbox(key)
    with pytest.raises(NotInOutboxError):
        read_message(key, 1)
