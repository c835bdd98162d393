"""Parts of a notebook's cell: its functions and single assignments, by name, without running the rest."""

import ast
import json


def run(path, cell, names, given):
    """Run those statements of a cell that define one of `names`, in their order; `given` is what else they use."""
    source = "".join(json.loads(path.read_text())["cells"][cell]["source"])
    chosen = [one for one in ast.parse(source).body if set(names) & _defined(one)]
    exec(compile(ast.Module(chosen, []), str(path), "exec"), given)
    return given


def _defined(statement):
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}
    return {one.id for one in getattr(statement, "targets", ()) if isinstance(one, ast.Name)}
