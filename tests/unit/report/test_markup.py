"""Markup that a browser reads as it was meant, whatever the text."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from etc_edge.report.markup import Markup, join, tag, void


class Read(HTMLParser):
    """Gathers what a parser finds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


plain = st.text(st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=("Cs", "Cc")), max_size=30)


@given(plain, plain)
def test_text_is_never_markup(inner: str, attribute: str) -> None:
    read = Read(tag("p", inner, title=attribute))
    assert read.tags == [("p", {"title": attribute})]
    assert read.text == inner


def test_markup_inside_markup_stays() -> None:
    assert tag("p", tag("b", "1 < 2"), " & ", Markup("<i>x</i>")) == "<p><b>1 &lt; 2</b> &amp; <i>x</i></p>"
    assert join("a<", Markup("<br>")) == "a&lt;<br>"
    assert void("img", src="x", alt="") == '<img src="x" alt="">'


def test_attributes_are_spelled_as_svg_wants_them() -> None:
    assert tag("svg", view_box="0 0 4 4") == '<svg viewBox="0 0 4 4"></svg>'
    assert tag("g", class_="a", stroke_width=1.50, x=3.0) == '<g class="a" stroke-width="1.5" x="3"></g>'
