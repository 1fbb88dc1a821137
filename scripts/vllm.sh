#!/usr/bin/env bash
# Put vLLM, in the version that the launch files are written for, into an environment of its own. There already: nothing
# happens. It is not in ours: it pins a torch, and so do we, and one of them would lose.
#
#     scripts/vllm.sh [FOLDER]       default: .vllm; its program is then FOLDER/bin/vllm
#
# VLLM_DRY_RUN=1: only say what would be brought.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -nE 's/^# Written for vLLM ([0-9.]+[0-9]).*/\1/p' deploy/vllm/gemma-3-27b-a100-w4a16.yaml)
folder=${1:-.vllm}
[ -n "$version" ] || { echo "vllm: the launch file names no version" >&2; exit 1; }

if [ "$("$folder/bin/python" -c 'from importlib.metadata import version; print(version("vllm"))' 2>/dev/null)" = "$version" ]; then
  exit 0
fi
echo "Bringing vLLM $version into $folder; with its torch that is some 10 GB."
[ -z "${VLLM_DRY_RUN:-}" ] || exit 0
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --disable-pip-version-check --no-cache-dir "vllm==$version"
