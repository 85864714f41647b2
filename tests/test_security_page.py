"""docs/security.md: each promise has a test, and the tests it names exist."""

import ast
import re


def promises(repository) -> list[str]:
    lines = (repository / "docs" / "security.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith(("| ---", "| Promise"))]


def named_tests(row: str):
    """(file, function) of each test in a row; `::name` is of the file named before it."""
    file = ""
    for reference in re.findall(r"`([\w/.]*::\w+)`", row.rsplit("|", 2)[1]):
        before, _, name = reference.partition("::")
        file = before or file
        yield file, name


def test_each_promise_names_tests_that_exist(repository):
    rows = promises(repository)
    assert len(rows) > 15
    for row in rows:
        found = list(named_tests(row))
        assert found, row
        for file, name in found:
            assert (repository / file).is_file(), (file, row)
            functions = {
                n.name for n in ast.walk(ast.parse((repository / file).read_text())) if isinstance(n, ast.FunctionDef)
            }
            assert name in functions, (file, name)
