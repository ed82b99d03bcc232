#!/bin/sh
# Installs Debian's Chromium for the browser tests, unless FER_STUDIO_CHROMIUM is set or a chromium
# is on the PATH.
set -eu

if [ -n "${FER_STUDIO_CHROMIUM:-}" ] || command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The browser tests need Chromium: install it, or name it in FER_STUDIO_CHROMIUM." >&2
    exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends chromium
