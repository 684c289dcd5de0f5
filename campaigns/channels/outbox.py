"""The local outbox: one `.eml` file a message in a folder a campaign, for trying out; and reading it again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from campaigns.channels.base import Answer, Channel, Deferred, Message, Refused, Sent, register_channel

FOLDER_NAME = re.compile(r"[-\w]+", re.ASCII)
FILE_NAME = re.compile(r"([1-9]\d{0,18})\.eml", re.ASCII)
PAGE_SIZE = 50


class NotInOutboxError(LookupError):
    """There is no such campaign or message in the outbox."""


@register_channel
class Outbox(Channel):
    """Writes mail into `settings.OUTBOX_DIR/<campaign key>/<delivery id>.eml` and sends nothing.

    Idempotent: one delivery is one file, which a second try replaces.
    """

    key = "outbox"
    label = _("Local outbox")
    identifier_kind = "email"
    consent_channel = "email"
    is_idempotent = True

    @contextmanager
    def open(self) -> Iterator[OutboxSender]:
        sender = OutboxSender()
        try:
            yield sender
        finally:
            sender.close()


class OutboxSender:
    """Keeps the folders open that it wrote to, to flush their entries too."""

    def __init__(self) -> None:
        self._folders: dict[Path, int] = {}

    def send(self, message: Message) -> Answer:
        """Write the file whole or not at all, durably, before answering."""
        try:
            mail = as_mail(message)
        except ValueError as error:  # an address that no header can hold
            return Refused(str(error))
        try:
            folder = folder_of(message.campaign)
            descriptor = self._open_folder(folder)
            temporary = folder / f".{message.delivery_id}.{os.getpid()}-{id(self)}.tmp"
            with temporary.open("wb") as file:
                file.write(mail.as_bytes(policy=policy.SMTPUTF8))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(folder / f"{message.delivery_id}.eml")
            os.fsync(descriptor)
        except OSError as error:
            return Deferred(f"{type(error).__name__}: {error.strerror}")
        return Sent(f"{message.key}.eml")

    def close(self) -> None:
        for descriptor in self._folders.values():
            os.close(descriptor)

    def _open_folder(self, folder: Path) -> int:
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders[folder] = os.open(folder, os.O_RDONLY)
        return self._folders[folder]


@dataclass(frozen=True)
class OutboxMessage:
    """A message as it was written; `html` and `text` are whole."""

    delivery_id: int
    written_at: datetime
    to: str
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class OutboxEntry:
    """A line of the list."""

    delivery_id: int
    written_at: datetime
    to: str
    subject: str


@dataclass(frozen=True)
class OutboxPage:
    """One page of a campaign's messages, the latest delivery first; `number` counts from 1."""

    entries: list[OutboxEntry]
    number: int
    n_pages: int
    n_messages: int


def as_mail(message: Message) -> EmailMessage:
    """The mail with a text and an HTML part. Raises ValueError for an address or a subject of several lines."""
    mail = EmailMessage(policy=policy.SMTPUTF8)
    mail["From"] = settings.DEFAULT_FROM_EMAIL
    mail["To"] = message.address
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(message.written_at)
    mail["Message-ID"] = f"<{message.campaign}.{message.delivery_id}@strata>"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


def outbox_counts() -> dict[str, int]:
    """The number of messages by campaign key; campaigns without messages are not there."""
    if not settings.OUTBOX_DIR.is_dir():
        return {}
    folders = sorted(folder for folder in settings.OUTBOX_DIR.iterdir() if folder.is_dir())
    return {folder.name: len(_ids_in(folder)) for folder in folders if FOLDER_NAME.fullmatch(folder.name)}


def list_outbox(campaign_key: str, *, page: int = 1, page_size: int = PAGE_SIZE) -> OutboxPage:
    """One page; a number past either end is taken as the nearest page. Only this page's files are read.

    Raises NotInOutboxError where the campaign has no folder.
    """
    folder = folder_of(campaign_key)
    if not folder.is_dir():
        raise NotInOutboxError(campaign_key)
    ids = sorted(_ids_in(folder), reverse=True)
    n_pages = max(1, -(-len(ids) // page_size))
    number = min(max(page, 1), n_pages)
    entries = []
    for delivery_id in ids[(number - 1) * page_size : number * page_size]:
        path = folder / f"{delivery_id}.eml"
        mail = _parse(path, headers_only=True)
        entries.append(OutboxEntry(delivery_id, _written_at(path), str(mail["To"]), str(mail["Subject"])))
    return OutboxPage(entries, number, n_pages, len(ids))


def read_message(campaign_key: str, delivery_id: int) -> OutboxMessage:
    """One message. Raises NotInOutboxError."""
    path = folder_of(campaign_key) / f"{int(delivery_id)}.eml"
    if not path.is_file():
        raise NotInOutboxError(f"{campaign_key}/{delivery_id}")
    mail = _parse(path)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    return OutboxMessage(
        delivery_id=delivery_id,
        written_at=_written_at(path),
        to=str(mail["To"]),
        subject=str(mail["Subject"]),
        html=html.get_content() if html else "",
        text=text.get_content() if text else "",
    )


def folder_of(campaign_key: str) -> Path:
    """The campaign's folder. Raises NotInOutboxError for what is no campaign key, such as `..`."""
    if not FOLDER_NAME.fullmatch(campaign_key):
        raise NotInOutboxError(campaign_key)
    return Path(settings.OUTBOX_DIR) / campaign_key


def _ids_in(folder: Path) -> list[int]:
    return [int(found[1]) for entry in os.scandir(folder) if (found := FILE_NAME.fullmatch(entry.name))]


def _parse(path: Path, *, headers_only: bool = False) -> EmailMessage:
    with path.open("rb") as file:
        return BytesParser(policy=policy.SMTPUTF8).parse(file, headersonly=headers_only)


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
