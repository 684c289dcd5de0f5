"""The members of a segment as a download, which the audit knows of."""

from __future__ import annotations

from django.http import StreamingHttpResponse

from cdp.audit import write_words
from cdp.models import User
from profiles.downloads import people_response
from profiles.services.export import FileFormat
from segments.models import Membership, Segment


def members_response(segment: Segment, *, file_format: FileFormat, user: User) -> StreamingHttpResponse:
    """Streams while the server reads. Raises FormatMissing."""
    members = Membership.objects.filter(segment=segment).order_by("profile_id")
    response = people_response(
        members,
        segment.key,
        profile="profile__",
        extra={"entered_at": "entered_at"},
        file_format=file_format,
        user=user,
    )
    write_words(user, segment, f"Exported the members as {file_format.label}.")
    return response
