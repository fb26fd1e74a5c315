"""No function of C++ or Python has more than 60 lines; a lambda counts as part of the function that contains it.

Braces without a semicolon in them are an initialiser, so that a table at namespace scope is not a function.
The script relies on the C++ being formatted by clang-format.
"""

import ast
import re

from sources import CPP, finish, tracked

LONGEST = 60
# Functions that are tables: a list of entries to read one after the other.
TABLES = {
    ("configs/rules.cpp", "rules"): "the rules between parameters; a function, for other files' statics may read it",
}
CONTAINER = re.compile(r'(inline\s+)?namespace\b|extern\s*""|(typedef\s+)?(class|struct|union|enum)\b')
IGNORED = re.compile(
    r"""//[^\n]* | /\*.*?\*/                      # comments
        | ^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*          # directives, with the lines that continue them
        | R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"
        | "(?:\\.|[^"\\\n])*"
        | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'    # characters, but not the ' in 1'000
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def blanked(text):
    """The text with strings emptied and comments and directives removed; every line keeps its number."""

    def replacement(match):
        quotes = '""' if match.group().startswith(("R", '"', "'")) else ""
        return quotes + "\n" * match.group().count("\n")

    return IGNORED.sub(replacement, text)


def without_template_heads(head):
    """`head` without each `template <...>` in front of it."""
    while match := re.match(r"\s*template\s*<", head):
        depth, end = 1, match.end()
        while depth and end < len(head):
            depth += {"<": 1, ">": -1}.get(head[end], 0)
            end += 1
        head = head[end:]
    return re.sub(r"\[\[.*?\]\]|\balignas\([^)]*\)|\s+", " ", head).strip()


def opens_container(head):
    return CONTAINER.match(head) and "(" not in head


def cpp_declarations(text):
    """For each declaration at namespace or class scope with statements in braces: its head, first and last line."""
    text = blanked(text)
    start, head_end, depth, line, first = 0, None, 0, 1, 1
    parentheses = 0
    for place, character in enumerate(text):
        if not text[start:place].strip():
            start, first = place, line
        if character == "\n":
            line += 1
        elif depth:  # inside a declaration
            depth += {"{": 1, "}": -1}.get(character, 0)
            if depth == 0 and parentheses == 0 and not re.match(r"\s*[,;{]", text[place + 1 :]):
                if ";" in text[head_end:place]:
                    yield without_template_heads(text[start:head_end]), first, line
                start, head_end = place + 1, None
        elif character in "()":
            parentheses += 1 if character == "(" else -1
        elif character == "{":
            if parentheses == 0 and opens_container(without_template_heads(text[start:place])):
                start, head_end = place + 1, None
            else:
                depth, head_end = 1, head_end or place
        elif character == "}":  # the end of a container
            start, head_end = place + 1, None
        elif parentheses == 0 and (
            character == ";" or re.fullmatch(r"\s*(public|private|protected)\s*:", text[start : place + 1])
        ):
            if head_end and ";" in text[head_end:place]:
                yield without_template_heads(text[start:head_end]), first, line
            start, head_end = place + 1, None


def name_of(head):
    """The name before the parameters; for GoogleTest's macros, the whole macro with its arguments."""
    match = re.search(r"([\w:~]+|operator\W+)\s*\(", head)
    if not match:
        return head
    name = match.group(1)
    return head if name.startswith("TEST") else name


def cpp_functions(text):
    for head, first, last in cpp_declarations(text):
        yield name_of(head), first, last


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, node.end_lineno


def problems_of(path):
    functions = python_functions if path.suffix == ".py" else cpp_functions
    for name, first, last in functions(path.read_text()):
        lines = last - first + 1
        if lines > LONGEST and (str(path), name) not in TABLES:
            yield f"{path}:{first}: {name} has {lines} lines, {LONGEST} at most"


def main():
    finish([problem for path in tracked(*CPP, ".py") for problem in problems_of(path)])


if __name__ == "__main__":
    main()
