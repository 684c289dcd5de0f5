"""E-mail addresses."""

from email_validator import EmailNotValidError, validate_email

from profiles.identity.normalise import normaliser


@normaliser("email")
def email(value: str, region: str) -> str | None:
    """Lower case, domain in Unicode; no look at the DNS."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None
