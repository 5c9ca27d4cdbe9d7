"""Small libraries that are put before libc's functions in the unchanged daemon and its resolver process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from harness import Void, World

HERE = Path(__file__).resolve().parent


def build(world: World, name: str) -> Path:
    """Compiles NAME.c of this folder; readable for the user that the daemon becomes."""
    library = world.lab / f"{name}.so"
    if not library.exists():
        if not (compiler := shutil.which("cc") or shutil.which("gcc")):
            raise Void("there is no C compiler")
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, HERE / f"{name}.c", "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        library.chmod(0o755)
    return library
