"""The form of a webhook: beside its own fields three for each feed that there is, for those who may read the feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2MultipleWidget, UnfoldBooleanSwitchWidget

from cdp.admin.keys import KeyedForm
from cdp.admin.meanwhile import MeanwhileForm
from cdp.admin.people import possible_owners
from cdp.feeds import Feed, feeds
from cdp.models import User
from cdp.rules.causes import Cause
from cdp.webhooks.manage import Hearing
from cdp.webhooks.models import Subscription, Webhook

OWN_FIELDS = ("name", "key", "url", "owner", "batch_size")
HELP = {
    "owner": _("Who is written to when it is switched off after failures; without one, the administrators."),
    "batch_size": _("More make fewer and larger messages: a hundred changes are some 20 kB."),
}


def hears_field(feed: Feed) -> str:
    return f"hears_{feed.key}"


def subjects_field(feed: Feed) -> str:
    return f"subjects_{feed.key}"


def causes_field(feed: Feed) -> str:
    return f"causes_{feed.key}"


def feed_fields(feed: Feed) -> list[str]:
    """The fields of a feed in their order: whether it is heard, of what, and why that happened."""
    subjects = [subjects_field(feed)] if feed.subject else []
    return [hears_field(feed), *subjects, *([causes_field(feed)] if feed.has_causes else [])]


class WebhookForm(MeanwhileForm, KeyedForm):
    """What people give of a webhook. `form_for` adds the fields of `offered` feeds; others stay as they were."""

    offered: tuple[Feed, ...] = ()
    from_start = forms.BooleanField(
        label=_("Begin with the oldest change that is kept"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("Of feeds that are newly ticked. Otherwise they begin with what happens from now on."),
    )

    class Meta:
        model = Webhook
        fields = OWN_FIELDS
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "owner" in self.fields:
            owner = cast("forms.ModelChoiceField[User]", self.fields["owner"])
            owner.queryset = possible_owners(self.instance.owner_id)
        self.initial.update(stored := self.stored())
        for feed in self.offered:
            self._offer(subjects_field(feed), list(feed.subjects()), stored[subjects_field(feed)])
            self._offer(causes_field(feed), list(Cause.choices), stored[causes_field(feed)])

    def _offer(self, name: str, choices: list[tuple[str, Any]], chosen: list[str]) -> None:
        """What there is, and what was chosen though it is no more: unticking that is up to people."""
        if name in self.fields:
            known = {value for value, _label in choices}
            gone = [(value, value) for value in chosen if value not in known]
            cast(forms.MultipleChoiceField, self.fields[name]).choices = [*choices, *gone]

    def stored(self) -> dict[str, Any]:
        """What it hears by now of the offered feeds, by field."""
        rows = Subscription.objects.filter(webhook=self.instance) if self.instance.pk else []
        heard, found = {each.feed: each for each in rows}, dict[str, Any]()
        for feed in self.offered:
            known = heard.get(feed.key)
            found[hears_field(feed)] = known is not None
            found[subjects_field(feed)] = known.subjects if known else []
            found[causes_field(feed)] = known.causes if known else []
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not any(data.get(hears_field(feed)) for feed in self.offered) and not self.kept():
            self.add_error(None, _("Tick at least one feed: without, it hears nothing."))
        return data

    def as_stored(self, name: str) -> Any:
        return super().as_stored(name) if name in OWN_FIELDS else self.initial.get(name, False)

    def kept(self) -> list[Hearing]:
        """What it hears of feeds that are not offered to this person."""
        if self.instance.pk is None:
            return []
        others = self.instance.subscriptions.exclude(feed__in=[feed.key for feed in self.offered])
        return [Hearing(each.feed, tuple(each.subjects), tuple(each.causes)) for each in others]

    def hears(self) -> list[Hearing]:
        """What was chosen; of a valid form. What its editor left alone is as it is stored when this is asked, under the
        lock of the webhook: the form was filled in before, and somebody else may have saved since.
        """
        alone = set(self.left_alone())
        by_now = {name: value for name, value in self.stored().items() if name in alone}
        hears = [*self.chosen(self.cleaned_data | by_now), *self.kept()]
        return hears or self.chosen(self.cleaned_data)  # where each of two took away what the other left

    def chosen(self, given: Mapping[str, Any]) -> list[Hearing]:
        return [
            Hearing(feed.key, tuple(given.get(subjects_field(feed), ())), tuple(given.get(causes_field(feed), ())))
            for feed in self.offered
            if given.get(hears_field(feed))
        ]


def offered_feeds(user: Any) -> tuple[Feed, ...]:
    """Those that this person may read."""
    return tuple(feed for feed in feeds().values() if user.has_perm(feed.permission))


def form_for(offered: tuple[Feed, ...]) -> type[WebhookForm]:
    """A form with the fields of these feeds."""
    fields: dict[str, Any] = {"offered": offered}
    for feed in offered:
        fields[hears_field(feed)] = forms.BooleanField(
            label=cast(Any, feed.name), required=False, widget=UnfoldBooleanSwitchWidget
        )
        if feed.subject:
            fields[subjects_field(feed)] = several(_("Of these only"), _("Empty: of all, also of those to come."))
        if feed.has_causes:
            fields[causes_field(feed)] = several(_("Of these causes only"), _("Empty: whatever the cause."))
    return type("WebhookForm", (WebhookForm,), fields)


def several(label: Any, help_text: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, help_text=help_text, required=False, widget=UnfoldAdminSelect2MultipleWidget
    )
