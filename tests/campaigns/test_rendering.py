import pytest

from campaigns.rendering import (
    MissingValueError,
    RenderError,
    TemplateError,
    check_template,
    needed_attributes,
    present,
    render,
    text_of,
)

ANN = {"profile": {"name": "Ann & <Bob>"}, "tier": {"name": "Gold"}, "tags": {"vip": True}, "scores": {}}


def body_of(body, context=ANN):
    return render(subject="News", body=body, context=context).html


def test_values_are_escaped_in_the_body_and_not_in_the_subject():
    rendered = render(subject="For {{ profile.name }}", body="<p>{{ profile.name }}</p>", context=ANN)

    assert rendered.subject == "For Ann & <Bob>"
    assert rendered.html == "<p>Ann &amp; &lt;Bob&gt;</p>"
    assert rendered.text == "Ann & <Bob>\n"


def test_a_subject_is_one_line_whatever_a_value_holds():
    context = {"profile": {"name": "Ann\r\nBcc: all@example.com"}}

    assert render(subject="Hi {{ profile.name }}", body="", context=context).subject == "Hi Ann Bcc: all@example.com"


@pytest.mark.parametrize(
    ("body", "variable"),
    [
        ("{{ profile.city }}", "profile.city"),
        ("{{ profile['home.city'] }}", "profile['home.city']"),
        ("{{ profile.city | upcase }}", "profile.city"),
        ("{{ profile.birthday | date: '%Y' }}", "profile.birthday"),
        ("{{ profile.points | plus: 5 }}", "profile.points"),
        ("{{ 'in ' | append: profile.city }}", "profile.city"),
        ("{% assign city = profile.city %}{{ city }}", "profile.city"),
        ("{% for city in profile.cities %}{{ city }}{% endfor %}", "profile.cities"),
        ("{{ profile.city | default: profile.country }}", "profile.country"),
        ("{{ scores.rfm.class }}", "scores.rfm"),
    ],
)
def test_a_missing_value_stops_the_message_and_is_named(body, variable):
    with pytest.raises(MissingValueError) as raised:
        body_of(body)

    assert raised.value.variable == variable


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("{{ profile.city | default: 'your city' }}", "your city"),
        ("{% if profile.city %}in{% else %}out{% endif %}", "out"),
        ("{% if profile.city == 'Oslo' %}in{% else %}out{% endif %}", "out"),
        ("{% if profile.points > 5 %}in{% else %}out{% endif %}", "out"),
        ("{% if tags.vip %}in{% endif %}{% if tags.new %}new{% endif %}", "in"),
        ("{% unless tags.new %}old{% endunless %}", "old"),
    ],
)
def test_a_missing_value_has_a_default_and_is_false_in_conditions(body, html):
    assert body_of(body) == html


def test_null_and_empty_values_are_missing_at_every_level():
    values = {"city": None, "name": "", "cities": [], "home": {"city": "", "zip": "1"}, "n": 0, "ok": False}

    assert present(values) == {"home": {"zip": "1"}, "n": 0, "ok": False}


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("{{ profile.name", 1, 1, "“{{” is never closed with “}}”"),
        ("<p>\n  {{ profile.name | }}\n</p>{{ tier.name }}", 2, 3, "a name is missing"),
        ("{% if tags.vip %}a{% endif %}\n{% if tags.new %}b", 2, 1, "endif"),
        ("{% if tags.vip", 1, 1, "“{%” is never closed with “%}”"),
        ("ok\n{% endif %}", 2, 4, "endif"),
        ("{{ profile.name | shout }}", 1, 19, "shout"),
        ("{{ profil.name }}", 1, 4, "profil"),
        ("{% include 'secrets' %}", 1, 4, "include"),
        ("{{ profile.name | safe }}", 1, 19, "safe"),
    ],
)
def test_an_error_names_its_line_and_place(source, line, column, message):
    with pytest.raises(TemplateError, match=message) as raised:
        check_template(source)

    assert (raised.value.line, raised.value.column) == (line, column)
    assert str(raised.value).startswith(f"Line {line}, character {column}: ")


def test_own_variables_and_loops_are_no_unknown_variables():
    check_template("{% assign x = profile.name %}{% for n in (1..3) %}{{ x }}{{ n }}{{ forloop.index }}{% endfor %}")


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in (1..100000) %}x{% endfor %}",
        "{% for a in (1..5000) %}{% for b in (1..5000) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'aaaaaaaaaa' %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}",
        "{{ (1..10000000000) | join: '' }}",
        "{% for a in (1..9000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{{ 1 | divided_by: 0 }}",
    ],
)
def test_a_template_without_bound_or_sense_is_stopped(body):
    with pytest.raises(RenderError):
        body_of(body)


def test_text_keeps_blocks_lists_and_links():
    html = (
        "<style>p {}</style><p>Dear Ann,<br>look:</p><ul><li>one</li><li>two</li></ul><a href='https://x.test'>here</a>"
    )

    assert text_of(html) == "Dear Ann,\nlook:\n\n- one\n- two\n\nhere (https://x.test)\n"


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("Hello", set()),
        ("{{ profile.name }} of {{ tier.name }} in {{ profile['home town'] }}", {"name", "home town"}),
        ("{{ profile.name | default: 'friend' }}", set()),
        ("{% if profile.name %}{{ profile.name }}{% endif %}", set()),
        ("{{ profile.name | upcase }}{{ profile.address.street }}", {"name", "address"}),
    ],
)
def test_needed_are_the_attributes_that_stop_a_template_where_they_are_missing(source, needed):
    assert needed_attributes(source) == needed
