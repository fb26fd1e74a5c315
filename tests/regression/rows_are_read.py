"""Every row of the table of parameters is read by code that acts on it: a setting that nothing reads misleads.

A read is `config.SECTION.KEY` in the C++ of FOLDERS, or `NAME.KEY` where the file declares NAME to be that section.
What configs/ does with all rows alike, and the rules between values, do not count.
"""

import re
from pathlib import Path

from sources import CPP, finish, tracked

TABLE = Path("configs/parameters.def")
FOLDERS = ("collectives", "launcher", "worker")
ALSO = {Path("configs/derive.cpp")}
ROW = re.compile(r"^PARAMETER\((\w+), \w+, (\w+),", re.MULTILINE)
SECTION = re.compile(r"^BEGIN_SECTION\((\w+), (\w+),", re.MULTILINE)
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
READ = re.compile(r"(\.|->)?\b(\w+)(?=(?:\.|->)(\w+)\b(?!\s*=[^=]))")  # an assignment is no read


def names_of_sections(code, sections):
    """{"settings": {"optimizer"}, ...}: the code's names for each section, by its type or as a reference to the
    member."""
    names = {}
    for struct, section in sections.items():
        for declared in re.findall(rf"\bConfig::{struct}\b[\s&*]*(\w+)", code):
            names.setdefault(declared, set()).add(section)
    for declared, section in re.findall(r"\bauto\s*[&*]*\s*(\w+)\s*=\s*&?[\w.>()-]*?(?:\.|->)(\w+)\s*;", code):
        if section in sections.values():
            names.setdefault(declared, set()).add(section)
    return names


def reads_of(code, sections):
    code = NOT_CODE.sub(" ", code)
    names = names_of_sections(code, sections)
    for is_member, name, key in READ.findall(code):
        for section in {name} if is_member else names.get(name, ()):
            yield section, key


table = TABLE.read_text()
structs = dict(SECTION.findall(table))
sources = [path for path in tracked(*CPP) if path.parts[0] in FOLDERS or path in ALSO]
read = set().union(*(reads_of(path.read_text(), structs) for path in sources))
finish(
    [
        f"{TABLE}: {section}.{key} is not read in {', '.join(FOLDERS)}: use it where it acts, or take the row out"
        for section, key in ROW.findall(table)
        if (section, key) not in read
    ]
)
