#!/bin/sh
# Chromium for the browser tests: the one that is there, or Debian's.
set -eu

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done

as_root=
if [ "$(id -u)" -ne 0 ]; then as_root="sudo -n"; fi
if $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
    exit 0
fi
echo "The browser tests need chromium, chromium-browser or google-chrome on the PATH, and it could not be installed." >&2
exit 1
