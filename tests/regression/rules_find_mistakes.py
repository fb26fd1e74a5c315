"""Each source rule passes in a small clean repository and fails once the mistake it is about is planted."""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLEAN = '#include "common/error.hpp"\n\nint answer() { return 42; }\n'
CLEAN_PYTHON = 'import sys\n\nprint("not sys.path", sys.argv)\n'
TABLE = """\
BEGIN_SECTION(Training, training, "Steps.")
PARAMETER(training, Integer, epochs, 20, any)
PARAMETER(training, Integer, steps, 9, any)
END_SECTION(Training, training)
BEGIN_SECTION(Loss, loss, "What is minimised.")
PARAMETER(loss, Real, gamma, 2, any)
END_SECTION(Loss, loss)
"""
READS = """\
long length(const Config& config) {
  const auto& training = config.training;
  return training.epochs * training.steps;
}

double power(const Config::Loss& settings) { return settings.gamma; }
"""
RULES = "bool kept(const Config& config) { return config.loss.more > config.loss.gamma + config.training.steps; }\n"
LONG_FUNCTION = """\
/// A comment counts to no function.
template <class T>
void {name}(std::vector<T>& list) {{
{statements}  list.each([](int x) {{
{statements}  }});
}}
"""
TWICE_30 = LONG_FUNCTION.format(name="lengthen", statements="  list.push_back(1);\n" * 30)
IN_A_CLASS = (
    "namespace a {\nclass B : public C {\n public:\n  B() : list_{1} {\n"
    + "    list_.push_back('{');\n" * 60
    + "  }\n  std::vector<int> list_;\n};\n}  // namespace a\n"
)
# What is long but not a function; and a function of 60 lines.
LONG_ENOUGH = (
    "// clang-format off\n#include <vector>\n\nnamespace a {\n\nconst std::vector<const char*> table = {\n"
    + '    "a; {",\n' * 70
    + "};\n\nstruct B {\n"
    + "  int b = 0;\n" * 70
    + "};\n\nint f() {\n"
    + "  g();\n" * 58
    + "}\n\n}  // namespace a\n"
)
LONG_METHOD = "class A:\n    async def b(self):\n" + "        print()\n" * 60
ASKS_FOR_CUDA = "#ifdef LOCKSTEP_WITH_CUDA\n#endif\n" * 2
INDEX = """\
| [001](decisions/001-a.md) | A |
| [contributing](../CONTRIBUTING.md#tests), [elsewhere](https://example.org/a.md), [below](#here) |

`list[0](x)` and
```
call[1](y)
```
"""
DECISION = "# 001: A\n\nSee [the index](../README.md) and [the sources](../../worker).\n"
UNREAD = TABLE.replace("END_SECTION(Loss", "PARAMETER(loss, Real, more, 2, any)\nEND_SECTION(Loss")
MISTAKES = [
    ("formatting.py", "worker/a.cpp", "int   answer( ) {return 42;}\n"),
    ("python_formatting.py", "tests/a.py", "answer = 'of one quote'\n"),
    ("python_formatting.py", "tests/a.py", "import os\n\nanswer = 42\n"),
    ("python_imports.py", "tests/a.py", 'import sys\n\nsys.path.append("tests")\n'),
    ("python_imports.py", "tests/b.py", 'from sys import path\n\npath.insert(0, "tests")\n'),
    ("python_imports.py", "tests/c.py", 'import site\n\nsite.addsitedir("tests")\n'),
    ("include_directions.py", "common/a.hpp", '#include "worker/train.hpp"\n'),
    ("include_directions.py", "collectives/a.hpp", "#include <torch/torch.h>\n"),
    ("include_directions.py", "collectives/b.hpp", '#include "configs/config.hpp"\n'),
    ("include_directions.py", "configs/a.hpp", "#include <mpi.h>\n"),
    ("include_directions.py", "launcher/a.cpp", '  #  include "collectives/tree.hpp"\n'),
    ("include_directions.py", "launcher/b.cpp", '#include "launcher/commands/commands.hpp"\n'),
    ("include_directions.py", "worker/files/a.cpp", '#include "worker/state/state.hpp"\n'),
    ("include_directions.py", "worker/controller/a.hpp", '#include "worker/train.hpp"\n'),
    ("include_directions.py", "worker/nowhere/a.cpp", CLEAN),
    ("include_directions.py", "worker/a.cpp", '#include "plan.hpp"\n'),
    ("include_directions.py", "worker/b.cpp", "#include <common/error.hpp>\n"),
    ("file_names.py", "worker/data_utils.hpp", CLEAN),
    ("file_names.py", "worker/helpers/a.hpp", CLEAN),
    ("file_names.py", "worker/RunManager.hpp", CLEAN),
    ("file_lengths.py", "worker/a.cpp", "// one line\n" * 301),
    ("function_lengths.py", "worker/a.cpp", TWICE_30),
    ("function_lengths.py", "worker/a.hpp", IN_A_CLASS),
    ("function_lengths.py", "tests/a.py", LONG_METHOD),
    ("nccl_conditions.py", "worker/a.cpp", ASKS_FOR_CUDA),
    ("nccl_conditions.py", "worker/a.cpp", "#if defined(X) || defined(LOCKSTEP_WITH_NCCL)\n#endif\n" * 2),
    ("nccl_conditions.py", "launcher/a.hpp", "bool a = LOCKSTEP_WITH_CUDA;\n" * 2),
    ("markdown_links.py", "README.md", "[what was renamed](docs/gone.md#there)\n"),
    ("markdown_links.py", "docs/b.md", "![a picture](README.svg)\n"),
    ("markdown_links.py", "docs/decisions/001-a.md", "[the index](README.md)\n"),
    ("markdown_links.py", "docs/decisions/002-b.md", "# 002: B\n"),
    ("rows_are_read.py", "configs/parameters.def", UNREAD),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("* training.steps", "* 2")),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("* training.steps", "* 2 /* training.steps */")),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("settings.gamma", "2  // settings.gamma")),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("settings.gamma", 'number("settings.gamma")')),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("return settings.gamma", "settings.gamma = 2")),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("Config::Loss", "Config::Training")),
    ("rows_are_read.py", "worker/reads.cpp", READS.replace("= config.training", "= config.other")),
]


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def passes(folder, rule):
    return subprocess.run([sys.executable, HERE / rule], cwd=folder, capture_output=True).returncode == 0


def plant(folder, name, text):
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", name)
    return path


def missed(rule, name, text):
    with tempfile.TemporaryDirectory() as folder:
        git(folder, "init", "-q")
        plant(folder, ".clang-format", (ROOT / ".clang-format").read_text())
        plant(folder, "pyproject.toml", (ROOT / "pyproject.toml").read_text())
        plant(folder, "worker/clean.cpp", CLEAN)
        plant(folder, "tests/clean.py", CLEAN_PYTHON)
        plant(folder, "configs/parameters.def", TABLE)
        plant(folder, "configs/rules.cpp", RULES)
        plant(folder, "worker/reads.cpp", READS)
        plant(folder, "worker/long_enough.cpp", LONG_ENOUGH)
        plant(folder, "worker/cuda.cpp", ASKS_FOR_CUDA)
        plant(folder, "CONTRIBUTING.md", "# Contributing\n")
        plant(folder, "docs/README.md", INDEX)
        plant(folder, "docs/decisions/001-a.md", DECISION)
        if not passes(folder, rule):
            return f"{rule}: fails without a mistake"
        plant(folder, name, text)
        return f"{rule}: does not see the mistake in {name}" if passes(folder, rule) else None


problems = [problem for case in MISTAKES if (problem := missed(*case))]
print("\n".join(problems) or f"all {len(MISTAKES)} planted mistakes were found")
sys.exit(1 if problems else 0)
