"""The traits of an identify message, understood one by one: an odd one costs itself and never the message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from profiles.ingest.coerce import MISFIT, to_boolean
from profiles.models import Consent

MAX_KEY_LENGTH = 200  # of event names, attribute keys and message ids
MAX_TRAIT_DEPTH = 10

# Names that others have for what Strata ships, and traits named like what Strata itself keeps of a profile.
ATTRIBUTE_OF_TRAIT = {
    "firstName": "first_name",
    "firstname": "first_name",
    "lastName": "last_name",
    "lastname": "last_name",
    "address.city": "city",
    "address.state": "province",
    "address.country": "country",
} | {key: f"traits.{key}" for key in ("created_at", "first_seen_at", "last_seen_at", "is_known")}

CONSENT_STATES = {state.value: state for state in Consent.State}


def attributes_of(traits: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Traits by attribute key: nested ones by dotted path, others' names by ours unless ours is there too.

    Also how many were left out: without a name, with one that is too long, or nested too deeply.
    """
    found = list(flatten({key: value for key, value in traits.items() if key != "consents"}))
    flat = {key: value for key, value in found if is_key(key)}
    own = {key: value for key, value in flat.items() if key not in ATTRIBUTE_OF_TRAIT}
    others = {ATTRIBUTE_OF_TRAIT[key]: value for key, value in flat.items() if key in ATTRIBUTE_OF_TRAIT}
    return others | own, sum(not is_key(key) for key, _value in found)


def is_key(key: str) -> bool:
    return 0 < len(key) <= MAX_KEY_LENGTH


def flatten(traits: Mapping[str, Any], path: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """`{"address": {"city": "Oslo"}}` as `address.city`; the path is empty where a name is, or too far down."""
    for name, value in traits.items():
        if not name or depth > MAX_TRAIT_DEPTH:
            yield "", value
        elif isinstance(value, dict):
            yield from flatten(value, f"{path}{name}.", depth + 1)
        else:
            yield path + name, value


def consents_of(traits: Mapping[str, Any]) -> tuple[dict[str, Consent.State], int]:
    """`traits.consents` by channel, and how many words were not understood, or on no channel; null says nothing."""
    written = traits.get("consents")
    if not isinstance(written, dict):
        return {}, int(written is not None)
    said = {channel: consent_of(word) for channel, word in written.items() if word is not None}
    known = settings.CONSENT_CHANNELS
    consents = {channel: state for channel, state in said.items() if state is not None and channel in known}
    return consents, len(said) - len(consents)


def consent_of(word: Any) -> Consent.State | None:
    """Of granted or denied, or of a yes or no in the words that files use; None for any other."""
    if isinstance(word, str) and (state := CONSENT_STATES.get(word.strip().lower())):
        return state
    is_granted = to_boolean(word)
    if is_granted is MISFIT:
        return None
    return Consent.State.GRANTED if is_granted else Consent.State.DENIED
