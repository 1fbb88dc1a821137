"""Of deploy/ray, which is no part of the package, what can be had without Ray."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "ray"

sys.path.append(str(ROOT))  # in the environment of scripts/ray.sh it is there anyway

from deploy.ray import gemma, keeper, policy, roll, telling  # noqa: E402

__all__ = ["FOLDER", "ROOT", "gemma", "keeper", "policy", "roll", "telling"]
