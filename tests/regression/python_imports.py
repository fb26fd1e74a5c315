"""No Python file changes where Python looks for modules: all modules have names below the root of the repository."""

import ast

from sources import finish, tracked


def is_path(node):
    """`sys.path` in any use; `from sys import path`; or a function that changes the path indirectly."""
    match node:
        case ast.Attribute(value=ast.Name("sys"), attr="path") | ast.Attribute(attr="addsitedir"):
            return True
        case ast.ImportFrom(module="sys", names=names):
            return any(name.name == "path" for name in names)
    return False


finish(
    [
        f"{path}:{node.lineno}: uses sys.path: import by the name below the root (from tests.support.x import y)"
        for path in tracked(".py")
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if is_path(node)
    ]
)
