"""What a browser would send of the form of a page that nobody touched."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Filled(HTMLParser):
    """The named fields of a page's forms with their values, as they stand; of buttons none."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self._open = ""  # the textarea or select that is open
        self._is_of_several = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {name: value or "" for name, value in attrs}
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag in ("textarea", "select"):
            self._open, self._is_of_several = name, "multiple" in given
            if tag == "textarea":
                self.data[name] = [""]
        elif tag == "option" and self._is_of_several:
            self.data.setdefault(self._open, []).extend([given["value"]] if "selected" in given else [])
        elif tag == "option" and ("selected" in given or self._open not in self.data):
            self.data[self._open] = [given.get("value", "")]
        elif tag == "input" and name and kind not in ("submit", "button", "file"):
            is_box = kind in ("checkbox", "radio")
            if not is_box or "checked" in given:
                self.data.setdefault(name, []).append(given.get("value", "on" if is_box else ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.data[self._open] = [text.removeprefix("\n") for text in self.data[self._open]]
        if tag in ("textarea", "select"):
            self._open, self._is_of_several = "", False

    def handle_data(self, data: str) -> None:
        if self._open in self.data and self.lasttag == "textarea":
            self.data[self._open][-1] += data


def filled_in(response: Any) -> dict[str, list[str]]:
    """All values of each field by its name."""
    page = Filled()
    page.feed(response.content.decode())
    return {
        name: [value.replace("\r\n", "\n").replace("\n", "\r\n") for value in values]
        for name, values in page.data.items()
        if name
    }
