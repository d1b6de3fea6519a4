"""Make a figure's SVG part of a page: unique ids, the page's colours, nothing that runs.

The page and the file on disk differ only in what this changes; the drawing is the same.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from trainfree.errors import DataFileError
from trainfree.report.colours import GROUND, INK, MUTED, RULE

DROPPED = {"metadata", "style", "script", "foreignObject", "title", "desc"}
THEME = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", GROUND: "transparent"}
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_COLOUR = re.compile("|".join(THEME))
_REFERENCE = re.compile(r"url\(#")


def read_svg(path: Path) -> ElementTree.Element:
    """Parse an SVG file.

    Raises
    ------
    DataFileError
        When the file is not XML.
    """
    try:
        return ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise DataFileError(
            f"{path}: is not an SVG figure ({error}); delete it and run again"
        ) from error


def svg_texts(root: ElementTree.Element) -> tuple[str, str]:
    """Return the title and the caption that a figure carries; empty where it has none."""
    title = root.find(f".//{DUBLIN_CORE}title")
    caption = root.find(f".//{DUBLIN_CORE}description")
    return (
        "" if title is None else (title.text or "").strip(),
        "" if caption is None else (caption.text or "").strip(),
    )


def inline_svg(root: ElementTree.Element, prefix: str, label: str) -> str:
    """Return markup for an HTML page.

    Parameters
    ----------
    root
        The parsed figure; it is not changed.
    prefix
        Put before every id, so that ids of several figures differ.
    label
        What a screen reader says instead of the drawing.
    """
    clean = _clean(root, prefix)
    for name in ("width", "height", "version"):
        clean.attrib.pop(name, None)
    clean.set("role", "img")
    clean.set("aria-label", label)
    return ElementTree.tostring(clean, encoding="unicode")


def _clean(element: ElementTree.Element, prefix: str) -> ElementTree.Element:
    copy = ElementTree.Element(_local(element.tag))
    copy.text = element.text if (element.text or "").strip() else None
    for key, value in element.attrib.items():
        name = _local(key)
        if name.lower().startswith("on") or (name == "href" and not _is_inside(value)):
            continue
        copy.set(name, _adapt(name, value, prefix))
    for child in element:
        if _local(child.tag) not in DROPPED:
            copy.append(_clean(child, prefix))
    return copy


def _adapt(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == "href" and value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    themed = _COLOUR.sub(lambda match: THEME[match.group()], value)
    return _REFERENCE.sub(f"url(#{prefix}", themed)


def _is_inside(reference: str) -> bool:
    return reference.startswith(("#", "data:image/"))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
