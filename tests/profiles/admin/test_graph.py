"""The identity graph: which message of which source linked what."""

from datetime import timedelta

import pytest

from cdp.roles import OPERATOR, VIEWER
from profiles.admin.graph import MAX_LINKS, MAX_NODES, graph_of
from profiles.models import IdentityLink
from tests.factories.cdp import UserFactory
from tests.factories.profiles import SEEN_AT, EventFactory, IdentifierFactory, ProfileFactory, SourceFactory
from tests.profiles.ingest.messages import identify, profile_of, send
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db


def test_each_link_names_its_message_source_and_time_and_leads_to_its_event():
    shop, till = SourceFactory(key="shop", name="Shop"), SourceFactory(key="till", name="Till")
    send(shop, identify(user="u1", anonymous="a1", at=0))
    send(till, identify(user="u1", email="ann@example.com", at=5))
    profile = profile_of("user_id", "u1")

    graph = graph_of(profile, UserFactory(role=OPERATOR))

    assert [node.value for node in graph.nodes] == ["u1", "ann@example.com", "a1"]
    assert [(edge.number, edge.left, edge.right, edge.source) for edge in graph.edges] == [
        (1, "User id u1", "Anonymous id a1", "Shop"),
        (2, "User id u1", "Email ann@example.com", "Till"),
    ]
    assert graph.sources == [("Shop", 0), ("Till", 1)]
    for edge, n_shown in zip(graph.edges, (1, 2), strict=True):  # the timeline begins with the event of the message
        page = sign_in(OPERATOR).get(edge.url.partition("#")[0])
        assert len(page.context["moments"]) == n_shown


def test_personal_identifiers_are_masked_for_viewers():
    shop = SourceFactory()
    send(shop, identify(user="u1", anonymous="a1", at=0))

    graph = graph_of(profile_of("user_id", "u1"), UserFactory(role=VIEWER))

    assert [(node.value, node.full) for node in graph.nodes] == [("•••", "•••"), ("a1", "a1")]
    assert [(edge.left, edge.right) for edge in graph.edges] == [("User id •••", "Anonymous id a1")]


def test_links_that_lead_out_of_the_person_are_not_shown():
    left, right = IdentifierFactory(), IdentifierFactory()
    IdentityLink.objects.create(left=left, right=right, source=SourceFactory(), message_id="m", occurred_at=SEEN_AT)

    assert graph_of(left.profile, UserFactory(role=OPERATOR)).edges == []


def test_a_large_graph_is_cut_and_says_what_is_left_out(django_assert_num_queries):
    profile, shop, user = ProfileFactory(), SourceFactory(), UserFactory(role=OPERATOR)
    lone = IdentifierFactory.create_batch(5, profile=profile)
    hub, *spokes = IdentifierFactory.create_batch(MAX_LINKS + 11, profile=profile, kind_key="anonymous_id")
    IdentityLink.objects.bulk_create(
        IdentityLink(left=hub, right=spoke, source=shop, message_id="m", occurred_at=SEEN_AT) for spoke in spokes
    )
    user.has_perm("x")

    with django_assert_num_queries(5):
        graph = graph_of(profile, user)

    assert (len(graph.nodes), len(graph.edges)) == (MAX_NODES, MAX_LINKS)
    assert (graph.n_nodes_left_out, graph.n_edges_left_out) == (len(lone) + MAX_LINKS + 11 - MAX_NODES, 10)
    assert {node.kind for node in graph.nodes} == {"Anonymous id"}  # those with links come first
    page = sign_in(OPERATOR).get(f"/admin/profiles/profile/{profile.pk}/change/").content.decode()
    assert "10 later links are left out." in page
    assert "76 more identifiers are not drawn." in page


def test_a_message_without_an_event_here_has_no_link():
    left, right = IdentifierFactory.create_batch(2, profile=ProfileFactory())
    IdentityLink.objects.create(left=left, right=right, source=SourceFactory(), message_id="m", occurred_at=SEEN_AT)
    EventFactory(profile=left.profile, anchor=left, occurred_at=SEEN_AT + timedelta(seconds=1))

    (edge,) = graph_of(left.profile, UserFactory(role=OPERATOR)).edges

    assert edge.url == ""
