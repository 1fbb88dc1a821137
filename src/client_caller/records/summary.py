"""The summary beside a call's flight record: what the call came to, for whoever looks into its folder.

In:   the folder, and plain data.     Out: summary.json, whole or not at all.
Rule: a folder that was deleted on request does not come back for it. A disk that refuses is a warning.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("client_caller.records")

NAME: Final = "summary.json"


def keep_summary(folder: Path, told: Mapping[str, Any]) -> None:
    """Write the summary, in place of an earlier one."""
    part = folder / f".{NAME}.part"
    try:
        if not folder.is_dir():
            return
        part.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", errors="replace")
        os.replace(part, folder / NAME)
    except OSError as refused:
        log.warning("a summary cannot be written", extra={"folder": str(folder), "why": refused.strerror})
