"""Every relative link in a document leads to a file or folder, and docs/README.md lists every decision."""

import os
import re
from pathlib import Path

from sources import finish, tracked

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)[^)]*\)|^\[[^\]]+\]:\s*<?([^>\s]+)", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//|#", re.IGNORECASE)
INDEX = Path("docs/README.md")
DECISIONS = Path("docs/decisions")


def targets_of(document):
    """The links of a document, each with the path that it leads to."""
    for match in LINK.finditer(CODE.sub("", document.read_text())):
        link = match.group(1) or match.group(2)
        if not ELSEWHERE.match(link):
            yield link, Path(os.path.normpath(document.parent / link.partition("#")[0]))


documents = tracked(".md")
problems = [
    f"{document}: {link} is not there"
    for document in documents
    for link, target in targets_of(document)
    if not target.exists()
]
listed = {target for _, target in targets_of(INDEX)} if INDEX in documents else set()
problems += [
    f"{document} is not in {INDEX}" for document in documents if document.parent == DECISIONS and document not in listed
]
finish(problems)
