"""People as a download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from cdp.models import User
from profiles.services.export import CONTENT_TYPES, FileFormat, people_in_file


def people_response(
    rows: QuerySet[Any], name: str, *, profile: str = "", extra: Mapping[str, str], file_format: FileFormat, user: User
) -> StreamingHttpResponse:
    """Streams while the server reads; `name` is that of the file without its ending. Raises FormatMissing."""
    return StreamingHttpResponse(
        people_in_file(rows, profile=profile, extra=extra, file_format=file_format, user=user),
        content_type=CONTENT_TYPES[file_format],
        headers={"Content-Disposition": f'attachment; filename="{name}.{file_format.value}"'},
    )
