#!/bin/sh
# Before `azd down`: deletes what costs money and fails if anything is left. See predown.mjs.
set -eu
command -v node >/dev/null || { echo 'Node is not installed, so the endpoints of this installation cannot be deleted first.' >&2; exit 1; }
exec node "$(dirname "$0")/predown.mjs"
