#!/usr/bin/env bash
# Put torch, in the version that pyproject.toml pins, into .venv. There already: nothing happens.
# It is not in requirements.lock: which of its builds is right depends on the machine, and calls with the embedded voice
# need none. On Linux without an NVIDIA driver the build without GPU is asked for first, which is 0.2 GB and not 3; if
# PyTorch's own index cannot be reached, or does not have it, pip chooses as it is set up.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
log=$venv/torch.log
cpu_builds=https://download.pytorch.org/whl/cpu

stop() {
  echo "make: $1" >&2
  exit 1
}

explain_and_stop() {
  if grep -q "No space left on device" "$log"; then
    stop "the disk is full: free about 8 GB, or 1 GB on a machine without a GPU (log: $log)"
  elif grep -qE "ConnectionError|NewConnectionError|ConnectTimeout|Name or service not known|name resolution|Network is unreachable" "$log"; then
    stop "the package index cannot be reached: check the network or pip's proxy settings, then run make again (log: $log)"
  elif grep -q "No matching distribution found for torch" "$log"; then
    stop "there is no $wanted for this system and its Python: take Linux with Python 3.11, or macOS on Apple silicon (log: $log)"
  fi
  stop "installing torch failed: $(grep '^ERROR' "$log" | tail -1) (log: $log)"
}

[ -x "$venv/bin/python" ] || stop "$venv is missing: run make setup first"
wanted=$(sed -nE 's/^ *"(torch==[0-9.]+)".*/\1/p' pyproject.toml)
[ -n "$wanted" ] || stop "pyproject.toml pins no torch"

if "$venv/bin/python" - "${wanted#torch==}" 2>/dev/null <<'CHECK'; then
import importlib.metadata, sys

sys.exit(importlib.metadata.version("torch").split("+")[0] != sys.argv[1])
CHECK
  exit 0
fi

echo "Bringing $wanted into $venv; it is large."
: >"$log" || stop "the folder $PWD/$venv cannot be written: give this user access, or free some space"
if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && "$venv/bin/python" -m pip install \
  --disable-pip-version-check --retries 0 --timeout 10 --index-url "$cpu_builds" "$wanted" >>"$log" 2>&1; then
  exit 0
fi
"$venv/bin/python" -m pip install --disable-pip-version-check "$wanted" >>"$log" 2>&1 || explain_and_stop
