"""The members of a segment as a download, which the audit knows of."""

from __future__ import annotations

from django.http import StreamingHttpResponse

from cdp.audit import write_words
from cdp.models import User
from profiles.services.export import CONTENT_TYPES, FileFormat, people_in_file
from segments.models import Membership, Segment


def members_response(segment: Segment, *, file_format: FileFormat, user: User) -> StreamingHttpResponse:
    """Streams while the server reads. Raises FormatMissing."""
    members = Membership.objects.filter(segment=segment).order_by("profile_id")
    pieces = people_in_file(members, profile="profile__", extra=["entered_at"], file_format=file_format, user=user)
    write_words(user, segment, f"Exported the members as {file_format.label}.")
    name = f"{segment.key}.{file_format.value}"
    return StreamingHttpResponse(
        pieces,
        content_type=CONTENT_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
