"""Users of each role, and API tokens with their text."""

from __future__ import annotations

from typing import Any

import factory
from django.contrib.auth.models import Group
from factory.django import DjangoModelFactory, Password

from cdp.models import ApiToken, User


class UserFactory(DjangoModelFactory):
    """`UserFactory(role="viewer", password="…")`; without a role may do nothing, without a password cannot sign in."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user-{n}")
    password = Password(None)
    is_staff = True

    @factory.post_generation
    def role(self, create: bool, extracted: str | None, **kwargs: Any) -> None:
        if create and extracted:
            self.groups.add(Group.objects.get(name=extracted))


class ApiTokenFactory(DjangoModelFactory):
    """`ApiTokenFactory(role="viewer")`; its text, which the database does not keep, is `token.text`."""

    class Meta:
        model = ApiToken
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"token-{n}")
    user = factory.SubFactory(UserFactory, username=factory.SelfAttribute("..name"), is_staff=False)

    @factory.post_generation
    def role(self, create: bool, extracted: str | None, **kwargs: Any) -> None:
        if create and extracted:
            self.user.groups.add(Group.objects.get(name=extracted))

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> ApiToken:
        text = ApiToken.generate()
        kwargs.setdefault("digest", ApiToken.digest_of(text))
        token: ApiToken = super()._create(model_class, *args, **kwargs)
        token.text = text  # type: ignore[attr-defined]
        return token
