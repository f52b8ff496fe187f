#!/bin/sh
# Install those of the given Debian/Ubuntu packages that are missing; does nothing (in milliseconds) where none is.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not a Debian or Ubuntu system: install the equivalents of these packages yourself: $*" >&2
    exit 0
fi

missing=""
for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null 2>&1; then
    sudo="sudo"
else
    echo "These packages are missing and need root to install (no sudo here): apt-get install$missing" >&2
    exit 1
fi

# A package that is also a service (openssh-server, for its program) starts nothing here, now or at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi

echo "Installing:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086  # the list is meant to be split
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null

case "$missing " in
*" openssh-server "*)
    if command -v systemctl >/dev/null 2>&1; then
        $sudo systemctl --quiet disable ssh.service ssh.socket 2>/dev/null || true
    fi
    ;;
esac
