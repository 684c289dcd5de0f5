"""Phone numbers."""

import phonenumbers
from django.utils.translation import gettext_lazy as _

from profiles.identity.normalise import normaliser


@normaliser("phone", _("Phone number: with its country code (E.164)"))
def phone(value: str, region: str) -> str | None:
    """E.164. A number with an extension names a company, not a person."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
