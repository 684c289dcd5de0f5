"""Public RSA keys as people paste them: PEM, several one below the other."""

from __future__ import annotations

import hashlib
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MAX_KEYS = 5
MIN_BITS = 2048
PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def public_keys(text: str) -> dict[str, RSAPublicKey]:
    """The keys in `text` by their ids, in its order.

    Raises:
        ValidationError: it holds something else, weak keys, or too many.
    """
    if PEM.sub("", text).strip():
        raise ValidationError(not_pem())  # without the text, which may be half a private key
    keys = [public_key(block) for block in PEM.finditer(text)]
    if len(keys) > MAX_KEYS:
        raise ValidationError(_("At most %(n)s keys; leave out those that no program uses.") % {"n": MAX_KEYS})
    return {key_id(key): key for key in keys}


def public_key(block: re.Match[str]) -> RSAPublicKey:
    if "PRIVATE" in block[1]:
        raise ValidationError(_("This is a private key, which only the program may know. Paste its public key."))
    try:
        key = load_pem_public_key(block[0].encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValidationError(not_pem()) from error
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_BITS:
        raise ValidationError(_("The SDKs sign with RSA; its key needs %(n)s bits or more.") % {"n": MIN_BITS})
    return key


def not_pem() -> str:
    return _("Paste whole public keys in PEM, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----.")


def key_id(key: RSAPublicKey) -> str:
    """The beginning of its fingerprint, so that the same key has the same id wherever it is pasted."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def check_public_keys(text: str) -> None:
    """A validator."""
    public_keys(text)
