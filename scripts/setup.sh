#!/usr/bin/env bash
# Make .venv hold exactly what requirements.lock says, and this project. Done already: nothing happens.
# The stamp is written last, so that whatever interrupts a set-up, the next run repairs it.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
log=$venv/setup.log
stamp=$venv/setup.stamp

stop() {
  echo "make: $1" >&2
  exit 1
}

explain_and_stop() {
  if grep -q "No space left on device" "$log"; then
    stop "the disk is full: free about 1.5 GB, then run make again (log: $log)"
  elif grep -qE "ConnectionError|NewConnectionError|ConnectTimeout|Name or service not known|name resolution|Network is unreachable" "$log"; then
    stop "the package index cannot be reached: check the network or pip's proxy settings, then run make again (log: $log)"
  elif grep -q "No matching distribution found for moonshine-voice" "$log"; then
    stop "this system is too old for the speech packages: they need glibc 2.34 (Debian 12, Ubuntu 22.04) or macOS 15 on Apple silicon (log: $log)"
  fi
  stop "installing the Python packages failed: $(grep '^ERROR' "$log" | tail -1) (log: $log)"
}

for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "${python:-}" ] || stop "no Python 3.11 or newer is on the PATH: install one, then run make again"

wanted=$("$python" -c 'import hashlib, pathlib
print(hashlib.sha256(b"".join(pathlib.Path(p).read_bytes() for p in ("requirements.lock", "pyproject.toml"))).hexdigest())')
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c 'import client_caller' 2>/dev/null; then
  exit 0
fi

echo "Setting up $venv; the first time takes a minute or two."
mkdir -p "$venv" 2>/dev/null && : >"$log" || stop "the folder $PWD/$venv cannot be written: give this user access, or free some space"
rm -f "$stamp"
"$python" -m venv "$venv" >>"$log" 2>&1 \
  || stop "$python cannot make a virtual environment: on Debian and Ubuntu install python3-venv (log: $log)"
"$venv/bin/python" -m pip install --disable-pip-version-check -r requirements.lock >>"$log" 2>&1 || explain_and_stop
"$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -e . >>"$log" 2>&1 || explain_and_stop
echo "$wanted" >"$stamp"
