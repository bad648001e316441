"""HTML and SVG as nested calls; text is escaped unless it is markup already."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that stands in a page as it is."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element: `tag("p", "a < b", class_="note")`.

    Attributes lose a trailing underscore, other underscores become hyphens; numbers are written short.
    """
    written = "".join(f' {_attribute(key)}="{escape(_text(value))}"' for key, value in attributes.items())
    inner = join(*children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def void(name: str, **attributes: str | float) -> Markup:
    """An element without an end, such as `img`."""
    written = "".join(f' {_attribute(key)}="{escape(_text(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{written}>")


def join(*children: str) -> Markup:
    """Pieces behind one another; those that are no markup are escaped."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child, quote=False) for child in children))


def _attribute(key: str) -> str:
    # SVG has one attribute with a capital letter that cannot be told from the Python name.
    return "viewBox" if key == "view_box" else key.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
