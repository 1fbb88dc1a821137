#!/usr/bin/env bash
# Put Ray, in the version that deploy/ray is written for, and this project into an environment of their own. There
# already: nothing happens. Every machine of a cluster needs the same one, at the same path, made of the same checkout.
#
#     scripts/ray.sh [cpu|gpu] [FOLDER]       default: cpu .ray; its programs are then FOLDER/bin/ray and FOLDER/bin/serve
#
# cpu: the embedded engines, about 1 GB. gpu: also torch for CSM, faster-whisper, and the vLLM that this Ray is made for,
# some 12 GB. It is not in our .venv, for Ray pins what vLLM pins, and one of them would lose.
# RAY_DRY_RUN=1: only say what would be brought.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
  echo "ray: $1" >&2
  exit 1
}

kind=${1:-cpu}
folder=${2:-.ray}
version=$(sed -nE 's/^# Written for Ray ([0-9.]+[0-9]).*/\1/p' deploy/ray/serve.yaml)
[ -n "$version" ] || stop "deploy/ray/serve.yaml names no version"
case $kind in
  cpu) wanted=("ray[serve]==$version" -e ".[postgres,whisper]") ;;
  gpu) wanted=("ray[serve,llm]==$version" -e ".[postgres,whisper,gpu]") ;;
  *) stop "$kind is neither cpu nor gpu" ;;
esac

# The stamp is written last, so that whatever interrupts this, the next run repairs it.
stamp=$folder/ray.stamp
asked=$({ echo "$kind $version"; cat pyproject.toml; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" = "$asked" ] && "$folder/bin/python" -c 'import client_caller, ray' 2>/dev/null; then
  exit 0
fi

echo "Bringing Ray $version ($kind) into $folder."
[ -z "${RAY_DRY_RUN:-}" ] || exit 0
for candidate in python3 python3.11 python3.12 python3.13; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "${python:-}" ] || stop "no Python from 3.11 to 3.13 is on the PATH, and Ray $version has no other builds"
log=$folder/ray.log
mkdir -p "$folder" 2>/dev/null && : >"$log" || stop "the folder $folder cannot be written: give this user access, or free some space"
rm -f "$stamp"
"$python" -m venv "$folder" >>"$log" 2>&1 || stop "$python cannot make a virtual environment: on Debian and Ubuntu install python3-venv (log: $log)"
if ! "$folder/bin/python" -m pip install --disable-pip-version-check "${wanted[@]}" >>"$log" 2>&1; then
  grep -q "No space left on device" "$log" && stop "the disk is full: free about 1.5 GB, or 15 GB for gpu (log: $log)"
  grep -qE "ConnectionError|NewConnectionError|ConnectTimeout|Name or service not known|name resolution|Network is unreachable" "$log" \
    && stop "the package index cannot be reached: check the network or pip's proxy settings (log: $log)"
  grep -q "ResolutionImpossible\|conflicting dependencies" "$log" \
    && stop "what Ray $version and we ask for does not go together on this machine: $(grep -A3 'conflict is caused' "$log" | tr '\n' ' ') (log: $log)"
  stop "installing failed: $(grep '^ERROR' "$log" | tail -1) (log: $log)"
fi
# So that Ray's workers find deploy.ray, wherever they are started.
"$folder/bin/python" - "$PWD" <<'PATHS'
import pathlib, sys, sysconfig

pathlib.Path(sysconfig.get_path("purelib"), "client_caller_deploy.pth").write_text(sys.argv[1] + "\n")
PATHS
echo "$asked" >"$stamp"
