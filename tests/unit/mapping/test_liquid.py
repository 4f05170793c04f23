"""`@liquid`, as far as it renders like liquidjs; `docs/mapping.md` lists the rest."""

import sys
from typing import Any

import pytest

from junctor.sdk.mapping import MappingError, MappingRunError, compile_mapping, transform

EVENT: dict[str, Any] = {
    "name": "Ada",
    "n": 5,
    "half": 1.5,
    "whole": 100.0,
    "yes": True,
    "null": None,
    "zero": 0,
    "blanked": "",
    "items": [1, "x", None, 2.0],
    "object": {"x": 1},
    "at": "2026-03-01T22:13:20.123+02:00",
}


def render(template: str) -> Any:
    return transform({"@liquid": template}, EVENT)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("Hi {{ name | upcase }}{{ nope }}{{ null }}!", "Hi ADA!"),
        (
            "{{ whole }} {{ half }} {{ yes }} {{ items }} {{ object }}",
            "100 1.5 true 1x2 [object Object]",
        ),
        ("{{ items[1] }} {{ items.size }} {{ items | join: '-' }}", "x 4 1-x--2"),
        ("{{ name | unknown_filter: 1 }}", "Ada"),
        (
            "{{ n | divided_by: 2 }} {{ 4 | divided_by: 2 }} {{ 5 | divided_by: 2, true }}",
            "2.5 2 2",
        ),
        ("{{ 1 | divided_by: 0 }} {{ 0.1 | plus: 0.2 }}", "Infinity 0.30000000000000004"),
        ("{{ 2.5 | round }} {{ -2.5 | round }} {{ 2.345 | round: 2 }}", "3 -3 2.35"),
        ("{{ -7 | modulo: 3 }} {{ 'x' | plus: 1 }} {{ items | sum }}", "2 1 3"),
        ("{{ nope | default: 'd' }}{{ blanked | default: 'd' }}{{ zero | default: 'd' }}", "dd0"),
        ("{{ yes | append: null | append: items }}", "true1x2"),
        ("{% if zero %}a{% endif %}{% if blanked %}b{% endif %}{% if null %}c{% endif %}", "ab"),
        (
            "{% assign x = n | times: 2 %}{{ x }}{% capture y %}{{ x }}!{% endcapture %}{{ y }}",
            "1010!",
        ),
        ("{% unless yes %}a{% else %}b{% endunless %}{% echo n %}", "b5"),
        ("{{ object | json }} {{ name | json }} {{ nope | json }}", '{"x":1} "Ada" '),
        ("{{ at | date: '%Y-%m-%d %H:%M:%S.%L' }}", "2026-03-01 20:13:20.123"),
        ("{{ 1700000000 | date: '%Y-%m-%d' }} {{ name | date: '%Y' }}", "2023-11-14 Ada"),
        ("{{ 'a b&c' | url_encode }} {{ '<b>' | escape }}", "a+b%26c &lt;b&gt;"),
    ],
)
def test_renders_like_liquidjs(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    "template",
    [
        "{% nope %}",
        "{% if name %}",
        "{{ name",
        "{% for x in items %}{% endfor %}",
        "{% case name %}{% endcase %}",
        "{% include 'x' %}",
        "{% ifchanged %}{% endifchanged %}",
        "{{ items | map: 'x' }}",
        "{{ items | sort }}",
        "{{ items | reverse }}",
        "{{ 'now' | date: '%Y' }}",
        "x" * 1001,
    ],
)
def test_what_does_not_render_is_a_run_error(template: str) -> None:
    shape = compile_mapping({"a": {"@liquid": template}})
    with pytest.raises(MappingRunError, match=r"a\.@liquid"):
        shape(EVENT)


def test_run_errors_never_quote_the_payload() -> None:
    shape = compile_mapping({"@liquid": "{% if secret > 3 %}{% endif %}"})
    with pytest.raises(MappingRunError) as caught:
        shape({"secret": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_disabled_filter_is_named() -> None:
    with pytest.raises(MappingRunError, match='filter "sort" is disabled'):
        render("{{ items | sort }}")


def test_a_filter_the_library_lacks_is_refused_at_load() -> None:
    with pytest.raises(MappingError, match="slugify is not available"):
        compile_mapping({"a": {"@liquid": "{{ name | slugify }}"}})


@pytest.mark.parametrize(
    "template",
    [
        "{{ (1..n) }}",
        "{{ name | append: (1..3) }}",
        "{% if yes %}{% assign x = (1..n) %}{% endif %}",
    ],
)
def test_ranges_are_refused_at_load_as_a_payload_could_make_them_endless(template: str) -> None:
    with pytest.raises(MappingError, match="range"):
        compile_mapping({"@liquid": template})


def test_inside_other_directives_it_sees_their_payload() -> None:
    shape = {"@arrayPath": ["l", {"t": {"@liquid": "{{ x }}"}}]}
    assert transform(shape, {"l": [{"x": 1}, 5]}) == [{"t": "1"}, {"t": ""}]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liquid", None)
    for module in ("liquid_text", "liquid_filters"):
        monkeypatch.delitem(sys.modules, f"junctor.sdk.mapping.{module}", raising=False)
    with pytest.raises(MappingError, match=r"pip install 'junctor\[liquid\]'"):
        compile_mapping({"a": {"@liquid": "{{ x }}"}})
