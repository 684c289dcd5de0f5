"""Pages that stood open while somebody else saved: what an editor left alone is not set back."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms


class MeanwhileForm(forms.ModelForm):  # type: ignore[type-arg]
    """Knows what its editor was shown: what they left alone stays as another has saved it meanwhile."""

    by_version: ClassVar[frozenset[str]] = frozenset()  # fields of which a version says who saved meanwhile

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.show_hidden_initial = self.instance.pk is not None and name not in self.by_version

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        return data | {name: self.as_stored(name) for name in self.left_alone() if name in data}

    def as_stored(self, name: str) -> Any:
        """What a field holds by now; of the instance, which was read just before."""
        return getattr(self.instance, name)

    def written(self) -> list[str]:
        """The fields that its editor changed, or wrote without having seen them: what is to be saved."""
        alone = self.left_alone()
        return [name for name in self.fields if name not in alone]

    def left_alone(self) -> list[str]:
        """The fields that came back as they were shown."""
        shown = {name for name in self.fields if self[name].html_initial_name in self.data}
        if shown:  # of none of several there is nothing to send
            shown |= {name for name, field in self.fields.items() if shows_several(field)}
        return [name for name in self.fields if name in shown and name not in self.changed_data]


def shows_several(field: forms.Field) -> bool:
    """Whether what was shown of a field comes back as any number of values."""
    return field.show_hidden_initial and issubclass(field.hidden_widget, forms.MultipleHiddenInput)
