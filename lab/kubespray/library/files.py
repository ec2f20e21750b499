#!/usr/bin/python3
"""Write several small files at once.

One module run per host instead of one per file: that is what lets six nodes be set up in seconds.
A file appears whole or not at all, in the order of the list.
"""

import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule


def write(path: Path, content: str, mode: int) -> bool:
    """Bring about one file; True if it changed."""
    if path.exists() and path.stat().st_mode & 0o777 == mode and path.read_text() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)
    return True


def main() -> None:
    file = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
    }
    module = AnsibleModule({"files": {"type": "list", "elements": "dict", "options": file, "required": True}})
    changed = [
        wanted["path"]
        for wanted in module.params["files"]
        if write(Path(wanted["path"]), wanted["content"], int(wanted["mode"], 8))
    ]
    module.exit_json(changed=bool(changed), paths=changed)


if __name__ == "__main__":
    main()
