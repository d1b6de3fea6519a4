"""Make a figure's SVG part of a page: unique ids, the page's colours, nothing that runs or fetches.

A figure's file may have been written by anybody. What is put into the page is written anew from
parsed XML, and holds only elements, attributes and values that are on the lists below. These are
what matplotlib emits, and shapes of the same kind.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

from trainfree.errors import DataFileError
from trainfree.files.small_files import read_bounded
from trainfree.report.style.colours import GROUND, INK, MUTED, RULE
from trainfree.report.style.png import clean_png

LARGEST_FIGURE = 20_000_000  # bytes; larger files are not read
MOST_ELEMENTS, DEEPEST = 200_000, 64
SVG = "{http://www.w3.org/2000/svg}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
XLINK = "{http://www.w3.org/1999/xlink}href"
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
REFERRED_TO = {"clipPath", "pattern"}
ELEMENTS = SHAPES | REFERRED_TO | {"g", "defs", "use", "image", "text", "tspan"}
PROPERTIES = {
    *("fill", "fill-opacity", "fill-rule", "opacity", "clip-path", "clip-rule", "color"),
    *("stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin"),
    *("stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "image-rendering"),
    *("font-size", "font-family", "font-style", "font-weight", "text-anchor", "display"),
}
ATTRIBUTES = PROPERTIES | {
    *("d", "x", "y", "x1", "y1", "x2", "y2", "dx", "dy", "r", "rx", "ry", "cx", "cy", "points"),
    *("width", "height", "viewBox", "preserveAspectRatio", "transform"),
    *("clipPathUnits", "patternUnits", "patternContentUnits", "patternTransform"),
}
THEME = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", GROUND: "transparent"}
_COLOUR = re.compile("|".join(THEME))
# Without colon, slash, quote and backslash no value can hold an address.
_VALUE = re.compile(r"[\w\s#.,%+()-]*", re.ASCII)
_CALLED = re.compile(r"([\w-]*)\s*\(", re.ASCII)
CALLS = {"matrix", "translate", "scale", "rotate", "skewX", "skewY", "rgb", "rgba"}
_INSIDE = re.compile(r"url\(#([\w.-]+)\)", re.ASCII)
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_BITMAP = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def read_svg(path: Path) -> Element:
    """Parse an SVG file.

    Raises
    ------
    DataFileError
        When the file is missing, too large, not XML, or of more or deeper nested elements than a
        figure has.
    """
    return parse_svg(read_bounded(path, LARGEST_FIGURE), path)


def parse_svg(content: bytes, origin: Path) -> Element:
    """Parse SVG; ``origin`` is what errors name.

    Raises
    ------
    DataFileError
        As :func:`read_svg`.
    """
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate("utf-8", "}")
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > DEEPEST or count > MOST_ELEMENTS:
            raise ValueError(f"more than {MOST_ELEMENTS:,} elements, or {DEEPEST} in each other")
        named = {_braced(name): value for name, value in attributes.items()}
        builder.start(_braced(tag), named)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_braced(tag))

    def declared(name: str, *_: object) -> None:
        raise ValueError(f"it declares the entity {name!r}")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, declared
    try:
        parser.Parse(content, True)
        root = builder.close()
        if _local(root.tag) != "svg":
            raise ValueError(f"its root is {root.tag!r}")
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DataFileError(
            f"{origin}: is not an SVG figure ({error}); delete it and run again"
        ) from error
    return root


def svg_texts(root: Element) -> tuple[str, str]:
    """Return the title and the caption that a figure carries; empty where it has none."""
    title = root.find(f".//{DUBLIN_CORE}title")
    caption = root.find(f".//{DUBLIN_CORE}description")
    return (
        "" if title is None else (title.text or "").strip(),
        "" if caption is None else (caption.text or "").strip(),
    )


def inline_svg(root: Element, prefix: str, label: str) -> str:
    """Return markup for an HTML page.

    Parameters
    ----------
    root
        The parsed figure; it is not changed.
    prefix
        Put before every id, so that ids of several figures differ, and from those of the page.
    label
        What a screen reader says instead of the drawing.
    """
    clean = Element("svg", {"role": "img", "aria-label": label})
    if view := _plain(root.get("viewBox", "")):
        clean.set("viewBox", view)
    groups = {each.get("id", "") for each in root.iter() if _local(each.tag) not in SHAPES}
    _Copy(prefix, groups).children(root, clean, is_referred_to=False)
    return ElementTree.tostring(clean, encoding="unicode")


@dataclass(frozen=True)
class _Copy:
    """What is on the lists, copied.

    Attributes
    ----------
    prefix
        Put before every id.
    groups
        Ids to which a ``use`` must not refer: one of groups within groups would multiply itself.
    """

    prefix: str
    groups: Set[str]

    def children(self, given: Element, made: Element, *, is_referred_to: bool) -> None:
        """Copy the children of one element into another.

        In what is itself referred to, as a pattern, references are left out.
        """
        for child in given:
            name = _local(child.tag)
            if name not in ELEMENTS or (name == "use" and _reference(child)[1:] in self.groups):
                continue
            within = is_referred_to or name in REFERRED_TO
            attributes = {key: self._adapted(key, text) for key, text in child.items()}
            if name == "image":
                attributes["href"] = _bitmap(_reference(child))
            elif found := _NAME.fullmatch(_reference(child)[1:]):
                attributes["href"] = f"#{self.prefix}{found[0]}"
            kept = {k: v for k, v in attributes.items() if v and not (within and "url(" in v)}
            copied = SubElement(made, name, kept)
            if name in ("text", "tspan"):
                copied.text = child.text
            self.children(child, copied, is_referred_to=within)

    def _adapted(self, key: str, text: str) -> str:
        """Return the value of an attribute for the page; empty if it is not taken over."""
        if key == "id":
            return self.prefix + text if _NAME.fullmatch(text) else ""
        if key == "style":
            pairs = (part.partition(":") for part in text.split(";"))
            kept = ((name.strip(), self._value(value.strip())) for name, _, value in pairs)
            return "; ".join(f"{name}: {v}" for name, v in kept if name in PROPERTIES and v)
        return self._value(text) if key in ATTRIBUTES else ""

    def _value(self, text: str) -> str:
        if found := _INSIDE.fullmatch(text):
            return f"url(#{self.prefix}{found[1]})"
        return _COLOUR.sub(lambda match: THEME[match.group()], _plain(text))


def _plain(text: str) -> str:
    """Return a value that is words, numbers, colours and known calls; empty if it is more."""
    is_plain = _VALUE.fullmatch(text) and CALLS.issuperset(_CALLED.findall(text))
    return text if is_plain else ""


def _reference(element: Element) -> str:
    return element.get("href", element.get(XLINK, ""))


def _bitmap(reference: str) -> str:
    """Return a bitmap that stands in the figure itself, without what is not picture."""
    found = _BITMAP.fullmatch(reference)
    if found is None:
        return ""
    try:
        picture, _ = clean_png(base64.b64decode(found[1]), "a bitmap")
    except (DataFileError, binascii.Error):
        return ""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _braced(name: str) -> str:
    return "{" + name if "}" in name else name


def _local(tag: str) -> str:
    """Return the name of an SVG element, or of one in no namespace; empty for any other."""
    name = tag.removeprefix(SVG)
    return "" if "}" in name else name
