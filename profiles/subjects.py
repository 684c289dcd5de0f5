"""What runs of this app worked on, by name."""

from collections.abc import Collection, Mapping

from django.utils.translation import gettext_lazy as _

from cdp.subjects import Subject, by_key, name_family
from profiles.models import AttributeDefinition, Source


def duplicates(keys: Collection[str]) -> Mapping[str, Subject]:
    """All of them together are one thing."""
    return {key: Subject(_("Possible duplicates")) for key in keys}


name_family("import", by_key(Source))
name_family("source", by_key(Source))
name_family("attribute", by_key(AttributeDefinition, name="label"))
name_family("find_duplicates", duplicates)
name_family("accept_duplicates", duplicates)
