"""Certificates of a local authority, made in the test."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@lru_cache
def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(host: str, *, signed_by: str, ends: datetime) -> x509.Certificate:
    """Of a host, or of the authority itself where it is `signed_by` its own name; good since ten days before."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (host, signed_by)]
    authority = host == signed_by
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(private_key(host).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - 10 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key(host).public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(private_key(signed_by).public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    return builder.sign(private_key(signed_by), hashes.SHA256())


def authority_file(folder: Path, name: str = "authority") -> Path:
    """The authority's own certificate, for those who trust it."""
    file = folder / f"{name}.pem"
    own = certificate(name, signed_by=name, ends=datetime.now(UTC) + DAY)
    file.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    return file


def server_context(
    folder: Path, *, host: str = "localhost", signed_by: str = "authority", ends_in: timedelta = DAY
) -> ssl.SSLContext:
    """What a server shows to those who connect."""
    file = folder / "server.pem"
    shown = certificate(host, signed_by=signed_by, ends=datetime.now(UTC) + ends_in)
    key = private_key(host).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(key + shown.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
