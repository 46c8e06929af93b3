"""Which unspaced chunks of text are addresses, paths, file names, hashtags, handles or versions."""

import re
from functools import lru_cache

from tts_frontend.inventory import Match

TLDS = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|co|uk|de|fr|it|es|eu|us|ca|au|jp|cn|in|ru|nl|ch|se|no|"
    "br|tv|me|app|dev|fm|ly|sm|abc"
)
FILES = (
    "txt|pdf|docx?|xlsx?|pptx?|csv|tsv|jsonl?|xml|ya?ml|html?|css|js|ts|py|java|cpp|hpp|rs|go|rb|sh|"
    "bat|exe|zip|tar|gz|png|jpe?g|gif|svg|mp[34]|"
    "wav|flac|ogg|md|ini|cfg|toml|lock|log|sql|db|so|dll|ipynb|tex|bib"
)
CORE = re.compile(
    rf"""(?x)
    (?: [A-Za-z][A-Za-z+.-]{{1,9}}://\S+?                                   # any scheme
      | www\.\S+?
      | [\w.+&-]+@[\w-]+(?:\.[\w-]+)+(?:/[\w./-]*)?                         # mail
      | (?=[\w-]*[A-Za-z])[\w-]+(?:\.[\w-]+)*\.(?:{TLDS})(?::\d+)?(?:/\S*?)?  # host
      | (?:~|\.{{1,2}}|[A-Za-z]:)?(?:[/\\][\w.@-]+){{2,}}[/\\]?             # path
      | (?:[\w.-]+/)*[\w-]+\.(?:{FILES})                                                 # file
      | [#@][A-Za-z_]\w*                                                    # hashtag, handle
      | [A-Za-z]\w*(?:_\w+)+(?:\(\))?                                       # identifier
      | [vV]?\d+(?:\.\d+){{2,}}(?:[-+][\w.]+)?                              # version
      | [vV]\d+(?:\.\d+)+
    )"""
)
EDGES = re.compile(r"^[\"'“‘(\[<*_`]*")
TAIL = re.compile(r"[\"'”’)\]>*_`.,;:!?]*$")


@lru_cache(maxsize=512)
def electronic_core(chunk: str) -> tuple[int, int]:
    """Start and end, within an unspaced chunk, of what is an address, a path or the like; (0, 0) when
    nothing is.
    """
    left = EDGES.match(chunk)
    right = TAIL.search(chunk)
    start, end = (left.end() if left else 0), (right.start() if right else len(chunk))
    core = chunk[start:end]
    if not core or not CORE.fullmatch(core):
        return (0, 0)
    return (start, end)


def in_electronic(m: Match) -> bool:
    """Whether the match lies within an address, a path or the like."""
    view = m.view
    start, end = electronic_core(view.chunk)
    return view.chunk_start + start <= view.start < view.chunk_start + end
