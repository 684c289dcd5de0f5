"""RSA keys of programs that sign in by OAuth, made once a process: making one takes a tenth of a second."""

from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from profiles.public_keys import key_id


@lru_cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(number: int) -> str:
    return (
        private_key(number)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )  # fmt: skip


def public_pem(number: int) -> str:
    return pem_of(private_key(number).public_key())


def pem_of(key: PublicKeyTypes) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


def id_of(number: int) -> str:
    return key_id(private_key(number).public_key())
