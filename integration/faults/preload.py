"""Small libraries that are put before libc's functions in the unchanged daemon and its resolver process."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from harness import Void, World

HERE = Path(__file__).resolve().parent


def sanitizer(world: World) -> str:
    """The library of AddressSanitizer that the daemon is linked with, "" when it is not."""
    libraries = subprocess.run(["ldd", world.binary], capture_output=True, text=True, timeout=10, check=True).stdout
    found = re.search(r"libasan\.so\S* => (\S+)", libraries)
    return found[1] if found else ""


def environment(world: World, name: str) -> dict[str, str]:
    """Compiles NAME.c of this folder; what the daemon's environment needs to be started with it."""
    library = world.lab / f"{name}.so"
    if not library.exists():
        if not (compiler := shutil.which("cc") or shutil.which("gcc")):
            raise Void("there is no C compiler")
        command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, HERE / f"{name}.c", "-ldl"]
        subprocess.run(command, check=True, timeout=60)
        library.chmod(0o755)  # for the user that the daemon becomes
    # AddressSanitizer insists on being the first.
    return {"LD_PRELOAD": ":".join(filter(None, (sanitizer(world), str(library))))}
