"""What a channel is, and the registry of all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.utils.functional import Promise


@dataclass(frozen=True)
class Message:
    """What is handed over: `subject` is one line, `html` and `text` say the same. `delivery_id` is the ledger's row."""

    campaign: str
    delivery_id: int
    address: str
    subject: str
    html: str
    text: str
    written_at: datetime

    @property
    def key(self) -> str:
        """The same for every try of one delivery: an idempotent channel sends a key once."""
        return f"{self.campaign}/{self.delivery_id}"


@dataclass(frozen=True)
class Sent:
    """Handed over for good. `detail` is the channel's own name for it, such as a message id."""

    detail: str = ""


@dataclass(frozen=True)
class Refused:
    """It will never go, however often it is tried."""

    detail: str


@dataclass(frozen=True)
class Deferred:
    """It did not go, and may later."""

    detail: str


@dataclass(frozen=True)
class Unknown:
    """It may have gone: the connection broke before the answer came."""

    detail: str


Answer = Sent | Refused | Deferred | Unknown


class Sender(Protocol):
    """An open channel, for one worker's batch."""

    def send(self, message: Message) -> Answer:
        """Hand over. An exception counts as Unknown."""


class Channel(ABC):
    """A way to write to people. Instances hold no state: several workers share one.

    `identifier_kind` says which of a person's identifiers is the address, `consent_channel` which of their consents
    counts. `is_idempotent` channels may be given a message's key twice and send it once.
    """

    key: str
    label: str | Promise
    identifier_kind: str
    consent_channel: str
    is_idempotent: bool

    @abstractmethod
    def open(self) -> AbstractContextManager[Sender]:
        """Whatever lasts for a batch, such as a connection."""


_channels: dict[str, Channel] = {}


def register_channel(channel_class: type[Channel]) -> type[Channel]:
    """Class decorator."""
    _channels[channel_class.key] = channel_class()
    return channel_class


def all_channels() -> list[Channel]:
    return sorted(_channels.values(), key=lambda channel: channel.key)


def channel_of(key: str) -> Channel:
    """Raises KeyError where there is none."""
    return _channels[key]
