"""E-mail addresses."""

from django.utils.translation import gettext_lazy as _
from email_validator import EmailNotValidError, validate_email

from profiles.identity.normalise import normaliser


@normaliser("email", _("E-mail address: in lower case"))
def email(value: str, region: str) -> str | None:
    """Lower case, domain in Unicode; no look at the DNS."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None
