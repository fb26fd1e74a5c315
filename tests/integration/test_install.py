"""`make install` installs a tree that works wherever it is moved to."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.launching import MPI_ENVIRONMENT, PROGRAMS, REPOSITORY, result_of, set_options
from tests.support.skipping import cannot_run

BUILD = PROGRAMS.parent
TORCH_IS_MISSING = "for libtorch_cpu.so, link the folder of the torch package to"


def installed(prefix):
    if not (BUILD / "cmake_install.cmake").is_file():
        cannot_run(f"the programs in {PROGRAMS} do not lie in a build folder")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """An installed tree that was moved after its installation."""
    folder = tmp_path_factory.mktemp("install")
    installed(folder / "first")
    return (folder / "first").rename(folder / "moved here")


def call(tree, *arguments, cwd):
    command = [tree / "bin" / "lockstep", *arguments]
    environment = os.environ | MPI_ENVIRONMENT
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_both_programs_tell_the_version(tree, tmp_path):
    answer = call(tree, "--version", cwd=tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith("lockstep 0.")
    worker = subprocess.run([tree / "bin" / "lockstep-worker", "--version"], capture_output=True, text=True)
    assert worker.stdout == answer.stdout


def test_its_configurations_are_valid(tree, tmp_path):
    data = tree / "share" / "lockstep"
    files = [data / "quickstart.toml", *sorted((data / "templates").iterdir())]
    assert len(files) == 4
    for file in files:
        answer = call(tree, "validate", file, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    assert "training.batch_size" in call(tree, "explain", "batch_size", cwd=tmp_path).stdout


def test_it_trains(tree, tmp_path, mlp):
    settings = set_options(mlp | {"training.max_steps": 2, "data.test_samples": 60})
    options = ["--ranks", "2", "--output", tmp_path / "run", *settings]
    answer = call(tree, "train", tree / "share" / "lockstep" / "quickstart.toml", *options, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert result_of(tmp_path / "run")["steps"] == 2


def test_there_is_a_manual_page_for_each_command(tree, tmp_path):
    pages = {page.stem for page in (tree / "share" / "man" / "man1").iterdir()}
    assert {"lockstep", "lockstep-worker", "lockstep-train", "lockstep-why"} <= pages
    answer = call(tree, "train", "--help", cwd=tmp_path).stdout
    page = (tree / "share" / "man" / "man1" / "lockstep-train.1").read_text()
    assert answer.splitlines()[0].split(";")[0].replace("-", "\\-") in page
    assert page.count(".TP") == answer.count("\n  -") + 1  # the positional argument CONFIG


def test_links_between_its_documents_lead_somewhere(tree, tmp_path):
    """As in the repository, whose rule examines what git tracks."""
    documents = shutil.copytree(tree / "share" / "doc" / "lockstep", tmp_path / "documents")
    subprocess.run(["git", "init", "-q"], cwd=documents, check=True)
    subprocess.run(["git", "add", "."], cwd=documents, check=True)
    assert (documents / "docs" / "parameters.md").is_file()
    rule = [sys.executable, REPOSITORY / "tests" / "regression" / "markdown_links.py"]
    answer = subprocess.run(rule, cwd=documents, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_library_is_looked_for_in_the_current_folder(tree):
    """An empty entry of the RUNPATH would be the current folder."""
    worker = tree / "bin" / "lockstep-worker"
    dynamic = subprocess.run(["readelf", "-d", worker], check=True, capture_output=True, text=True).stdout
    folders = re.search(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic).group(1).split(":")
    assert folders[:3] == [f"$ORIGIN/../lib/{name}/lib" for name in ("torch", "nvidia/nccl", "nvidia/cu13")]
    assert all(folders)


def test_it_says_what_to_do_where_libtorch_is_missing(tree, tmp_path):
    """The worker looks for LibTorch elsewhere, as when the build's Python environment is gone."""
    alone = tmp_path / "alone"
    (alone / "bin").mkdir(parents=True)
    (alone / "bin" / "lockstep").hardlink_to(tree / "bin" / "lockstep")
    worker = (tree / "bin" / "lockstep-worker").read_bytes()
    (alone / "bin" / "lockstep-worker").write_bytes(re.sub(rb"/torch/lib(?=[:\0])", b"/t0rch/lib", worker))
    (alone / "bin" / "lockstep-worker").chmod(0o755)
    quickstart = tree / "share" / "lockstep" / "quickstart.toml"
    answer = call(alone, "train", quickstart, "--ranks", "1", "--output", tmp_path / "run", cwd=tmp_path)
    assert answer.returncode == 127
    assert f"{TORCH_IS_MISSING} {alone}/lib/torch\n" in answer.stderr
