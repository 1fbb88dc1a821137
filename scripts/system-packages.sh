#!/usr/bin/env bash
# Install from Debian what the tests need beside Python and is missing here. All there: nothing happens.
# Without it every test still passes or says what it skips; so wherever nothing can be installed, this only says so, too.
set -euo pipefail

has_postgres() {
  command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null
}

has_node() {
  command -v node >/dev/null && command -v npm >/dev/null
}

packages=()
skipped=()
if ! has_postgres; then
  packages+=(postgresql)
  skipped+=("the ledger's tests on PostgreSQL (they run on SQLite): there is no PostgreSQL server")
fi
if ! has_node; then
  packages+=(nodejs npm)
  skipped+=("checks against the carriers' published contracts: there is no Node.js with npm")
fi
[ ${#packages[@]} -gt 0 ] || exit 0

say_what_is_skipped() {
  echo "system-packages: ${packages[*]} cannot be installed: $1. Skipped will be:"
  printf '  - %s\n' "${skipped[@]}"
  exit 0
}

command -v apt-get >/dev/null || say_what_is_skipped "this is no Debian or Ubuntu; use this system's own packages"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || say_what_is_skipped "that takes root, or sudo without a password"
  as_root=(sudo -n)
fi

echo "system-packages: installing ${packages[*]}, for the tests; this takes a minute."
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq || say_what_is_skipped "the package lists cannot be fetched; check the network"
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" \
  || say_what_is_skipped "apt-get refused; see above"
echo "system-packages: done."
