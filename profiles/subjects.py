"""Sources, by name, where imports speak of them."""

from cdp.subjects import by_key, name_family
from profiles.models import Source

name_family("import", by_key(Source))
