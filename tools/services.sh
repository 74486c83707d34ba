#!/bin/sh
# Bring the programs that tests run against:  tools/services.sh PROGRAM:APT_PACKAGE ...
#
# Taken from apt when it may (root, apt-get there, the program missing). Else one line says what is
# missing and the tests that need it skip; with CI=true it is an error, so that CI never skips silently.
set -eu
PATH=$PATH:/usr/sbin:/sbin # Debian keeps daemons outside a user's PATH

missing=
for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf -- '--%s (from apt)\n' "$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of package names
    if apt-get update -qq >/dev/null &&
        apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 $missing >/dev/null; then
        case "$missing" in *mosquitto*)
            # Debian starts a system-wide broker on install. The tests start their own; nobody asked for this one.
            [ ! -d /run/systemd/system ] || systemctl --quiet disable --now mosquitto.service || true
            ;;
        esac
        exit 0
    fi
fi

printf 'homeward: not installed:%s. Tests that need them skip. To run them: apt-get install%s   (as root)\n' \
    "$missing" "$missing" >&2
[ "${CI:-}" != true ]
