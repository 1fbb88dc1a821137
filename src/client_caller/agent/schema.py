"""The JSON schema of agent files: what editors complete and check while a file is written.

In:   the model.     Out: the schema; as a text, what docs/agent-file.schema.json holds.
Rule: it is drawn from the model and from nothing else; what lies across tables, `load_agent` alone can tell.
"""

import json
from typing import Any

from client_caller.agent.model import Agent


def schema() -> dict[str, Any]:
    """The schema, JSON Schema draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Agent file of Client Caller",
        **_untitled(Agent.model_json_schema()),
    }


def schema_text() -> str:
    """The schema as it is kept in a file: indented, with a line's end at its end."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _untitled(node: Any) -> Any:
    """The same without titles, which only say a field's name again."""
    if isinstance(node, list):
        return [_untitled(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {key: _untitled(part) for key, part in node.items() if key != "title" or not isinstance(part, str)}
