"""A file replaced as a whole: written beside its target, flushed to the disk and renamed; a crash leaves the old."""

import contextlib
import os
import platform
import re
import secrets
import shutil
import time
import zlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_written = set()  # the partial files of this process: over NFS its threads share its locks


def _machine():
    return f"{zlib.crc32(platform.node().encode()):08x}"


def replace(target, fill):
    """Let ``fill(file)`` write beside the target, and rename; it is locked until then, and removed when that fails."""
    while True:
        partial = f"{target}.{_machine()}{secrets.token_hex(4)}.partial"
        _written.add(partial)
        try:
            with open(partial, "xb") as file:
                if fcntl:
                    with contextlib.suppress(OSError):  # no locks here: then nobody removes it
                        fcntl.flock(file, fcntl.LOCK_EX)
                    if not os.path.exists(partial):  # removed as a leftover before it was locked
                        continue
                fill(file)
                file.flush()
                os.fsync(file.fileno())
                if os.path.exists(target):
                    shutil.copymode(target, partial)
                if not fcntl:
                    file.close()  # Windows renames no open file
                os.replace(partial, target)
                return
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
            raise
        finally:
            _written.discard(partial)


def remove_leftovers(target):
    """Remove the partial files of this target whose writers are dead: nobody holds their locks."""
    folder, name = os.path.split(target)
    pattern = re.compile(re.escape(name) + r"\.([0-9a-f]{8})?[0-9a-f]{8}\.partial")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries if fcntl else ():
            found = pattern.fullmatch(entry.name)
            if not found or entry.path in _written or not entry.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError), open(entry.path, "rb+") as file:
                if found[1] == _machine() or time.time() - os.fstat(file.fileno()).st_mtime > 3600:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def sync_directory(directory):
    """Make the rename itself durable, where the system allows a directory to be opened."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
