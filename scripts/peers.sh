#!/usr/bin/env bash
# Put Pipecat, in the version that we compare ourselves with, into an environment of its own, so that its packages and
# ours do not pull at each other. There already: nothing happens.
#
#     scripts/peers.sh       makes .peers/pipecat; bench/peers/*.py then start it by themselves
#
# What is brought is what Pipecat's guide to Twilio asks for: FastAPI's WebSockets and its runner, with uvicorn. Silero
# and Smart Turn come within its wheel. Moonshine and eSpeak NG are those of ours, so that the engines are the same.
# Source: docs.pipecat.ai/guides/telephony/twilio-websockets, github.com/pipecat-ai/pipecat-examples/tree/main/twilio-chatbot
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.14.0
folder=.peers/pipecat
log=.peers/setup.log
ours=.venv/bin/python

stop() {
  echo "peers: $1" >&2
  exit 1
}

explain_and_stop() {
  if grep -q "No space left on device" "$log"; then
    stop "the disk is full: free about 1 GB, then run this again (log: $log)"
  elif grep -qE "ConnectionError|NewConnectionError|ConnectTimeout|Name or service not known|name resolution|Network is unreachable" "$log"; then
    stop "the package index cannot be reached: check the network or pip's proxy settings, then run this again (log: $log)"
  elif grep -q "No matching distribution found for pipecat-ai" "$log"; then
    stop "there is no pipecat-ai $version for this system and its Python (log: $log)"
  fi
  stop "installing Pipecat failed: $(grep '^ERROR' "$log" | tail -1) (log: $log)"
}

complete() {
  "$folder/bin/python" - "$version" 2>/dev/null <<'CHECK'
import importlib.metadata, importlib.util, sys

import espeakng_loader, fastapi, pipecat.transports.websocket.fastapi, uvicorn

sys.exit(importlib.metadata.version("pipecat-ai") != sys.argv[1] or importlib.util.find_spec("moonshine_voice") is None)
CHECK
}

# The same Python as ours, so that it is not Python that is compared.
[ -x "$ours" ] || stop ".venv is missing: run make first"
if complete; then
  exit 0
fi
echo "Bringing Pipecat $version into $folder; that is some 0.6 GB."
mkdir -p .peers 2>/dev/null && : >"$log" || stop "the folder $PWD/.peers cannot be written: give this user access, or free some space"
"$ours" -m venv --clear "$folder" >>"$log" 2>&1 || stop "$ours cannot make a virtual environment (log: $log)"
"$folder/bin/python" -m pip install --disable-pip-version-check "pipecat-ai[runner,websocket]==$version" >>"$log" 2>&1 || explain_and_stop
engines=$("$ours" -c 'from importlib.metadata import version; print(*(f"{name}=={version(name)}" for name in ("moonshine-voice", "espeakng-loader")))')
# Without what moonshine-voice asks for besides: its library is called directly, as we do.
# shellcheck disable=SC2086
"$folder/bin/python" -m pip install --disable-pip-version-check --no-deps $engines >>"$log" 2>&1 || explain_and_stop
complete || stop "Pipecat is installed and cannot be imported; see $log"
