import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.exceptions import ValidationError

from profiles.public_keys import public_keys
from tests.rsa_keys import id_of, pem_of, private_pem, public_pem


def test_keys_have_ids_of_their_own_in_the_order_in_which_they_were_pasted():
    text = f"\n{public_pem(1)}\r\n\n  {public_pem(0)}"

    assert list(public_keys(text)) == [id_of(1), id_of(0)]
    assert len(id_of(0)) == 16
    assert public_keys("") == {}


def elliptic_pem():
    return pem_of(ec.generate_private_key(ec.SECP256R1()).public_key())


def short_pem():
    return pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lambda: private_pem(0), "private key"),
        (lambda: "ssh-rsa AAAA", "whole public keys"),
        (lambda: public_pem(0) + "and more", "whole public keys"),
        (lambda: public_pem(0)[:-9], "whole public keys"),
        (lambda: public_pem(0).replace("MII", "MIX"), "whole public keys"),
        (short_pem, "2048 bits"),
        (elliptic_pem, "RSA"),
        (lambda: public_pem(0) * 6, "At most 5"),
    ],
)
def test_anything_else_is_refused(text, said):
    with pytest.raises(ValidationError, match=said) as refused:
        public_keys(text())

    assert "MII" not in str(refused.value)
