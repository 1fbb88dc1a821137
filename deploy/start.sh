#!/usr/bin/env bash
# What the container does: weights onto the volume, where they are missing; then everything, in order.
# The profile is named by CLIENT_CALLER_PROFILE.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${CLIENT_CALLER_PROFILE:-a100}
client-caller models pull --profile "$profile"
exec client-caller up --profile "$profile"
