"""How the repository is laid out: what lies where, what may import what, and what ends up in the wheel."""

import ast
import inspect
import pkgutil
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

import openoutcry.messages

ROOT = Path(__file__).parent.parent
FOLDERS = ("actors", "config", "emulator", "exchanges", "messages")

ALLOWED = {
    "messages": set(),
    "config": {"messages"},
    "exchanges": {"messages"},
    "emulator": {"messages"},
    "actors": {"messages", "config", "exchanges"},
}
"""What a layer may import besides itself."""

NEVER = {
    "messages": {"aiohttp", "asyncio", "thespian", "time"},
    "exchanges": {"aiohttp", "asyncio", "thespian", "time"},
    "emulator/engine": {"aiohttp", "asyncio", "thespian", "time"},
    "actors": {"aiohttp"},
}
"""What the pure parts have no business with: sockets, loops, actors and clocks."""

EXCEPTIONS = {("actors/ports/aiohttp_transport.py", "aiohttp")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_link_points_at_its_folder(folder: str) -> None:
    link = ROOT / "src" / "openoutcry" / folder
    assert link.resolve() == ROOT / folder
    assert not Path(link.readlink()).is_absolute()


def test_no_module_is_imported_under_a_second_name() -> None:
    assert not {name.split(".")[0] for name in sys.modules} & set(FOLDERS)


@pytest.mark.parametrize("layer", ALLOWED)
def test_imports_point_down_only(layer: str) -> None:
    allowed = {layer, *ALLOWED[layer]}
    wrong = [
        f"{where} imports {module}"
        for where, module in imports_below(layer)
        if module.split(".")[0] == "openoutcry" and ([*module.split("."), ""])[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", NEVER)
def test_the_pure_parts_know_nothing_of_sockets_loops_actors_and_clocks(folder: str) -> None:
    wrong = [
        f"{where} imports {module}"
        for where, module in imports_below(folder)
        if module.split(".")[0] in NEVER[folder] and (where, module.split(".")[0]) not in EXCEPTIONS
    ]
    assert wrong == []


def test_of_the_messages_the_emulator_takes_enums_only() -> None:
    wrong = [
        f"{where} imports {module}.{name}"
        for where, module, name in imported_names("emulator")
        if module.startswith("openoutcry.messages") and not is_enum(module, name)
    ]
    assert wrong == []


def test_every_message_has_a_name_of_its_own() -> None:
    names = Counter(
        name
        for module in pkgutil.iter_modules(openoutcry.messages.__path__, "openoutcry.messages.")
        for name, value in vars(import_module(module.name)).items()
        if inspect.isclass(value) and value.__module__ == module.name
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert names["OrderFilled"] == 1


def test_the_wheel_holds_what_the_repository_tracks(tmp_path: Path) -> None:
    source = tmp_path / "source"
    tracked = tracked_files()
    for name in tracked:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, timeout=100)
    (wheel,) = tmp_path.glob("openoutcry-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("openoutcry/")}
    wanted = {f"openoutcry/{name}" for name in tracked if name.startswith(FOLDERS)} | {
        name.removeprefix("src/") for name in tracked if name.startswith("src/openoutcry/") and name.count("/") > 1
    }
    assert packed == wanted - {f"openoutcry/{folder}" for folder in FOLDERS}


def tracked_files() -> list[str]:
    """What belongs to the repository, relative to its root; in an unpacked sdist, everything in the packages."""
    if (ROOT / ".git").exists():
        answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
        names = [name for name in answer.stdout.split("\0") if name]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if "__pycache__" not in path.parts]
    kept = ("src/openoutcry/", "pyproject.toml", "README.md", "LICENSE", *(f"{folder}/" for folder in FOLDERS))
    files = [name for name in names if name.startswith(kept)]
    return [name for name in files if (ROOT / name).is_file() or (ROOT / name).is_symlink()]


def sources_below(folder: str) -> Iterator[tuple[str, ast.Module]]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths, f"{folder} holds no module"
    for path in paths:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def imported_names(folder: str) -> Iterator[tuple[str, str, str]]:
    """(file, module, name) of each `from module import name`; relative imports are not ours to make."""
    for where, tree in sources_below(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{where} has a relative import"
                for alias in node.names:
                    yield where, node.module or "", alias.name


def imports_below(folder: str) -> Iterator[tuple[str, str]]:
    """(file, dotted module) of each import; what is taken from `openoutcry` itself counts as a module."""
    for where, tree in sources_below(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield where, alias.name
    for where, module, name in imported_names(folder):
        yield where, f"{module}.{name}" if module == "openoutcry" else module


def is_enum(module: str, name: str) -> bool:
    value = getattr(import_module(module), name)
    return isinstance(value, type) and issubclass(value, Enum)
