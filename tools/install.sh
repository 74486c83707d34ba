#!/bin/sh
# Make .venv from the hashed lock:  tools/install.sh STAMP   (called by `make install`).
#
# Needs Python 3.11 or newer and nothing else; PYTHON=... in the environment names one.
# STAMP is written last, so a broken run is simply tried again. The Makefile puts a sum over the
# lock, pyproject.toml and the folder into STAMP's name: a run with nothing to do never comes here.
set -eu
stamp=$1

fail() {
    printf 'homeward: %s\n' "$*" >&2
    exit 1
}

choose_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        # A version manager leaves commands that exist and do not run, so each is asked.
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed (tried: ${PYTHON:-python3 python3.13 python3.12 python3.11}). Install it, or name it: make install PYTHON=/path/to/python3"
}

# Debian splits venv off from Python.
need_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        printf -- '-- %s (from apt)\n' "$package"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package"; } >/dev/null || true
    fi
    "$1" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$1 cannot make virtual environments. Run: apt-get install $package   (as root, then try again)"
}

# A folder that was moved leaves commands behind that point to where it was.
here=$(pwd -P)
if ! grep -qsF "$here/.venv" .venv/pyvenv.cfg || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(choose_python) || exit 1
    need_venv "$python"
    printf -- '-- .venv (%s)\n' "$("$python" --version)"
    "$python" -m venv --clear "$here/.venv" || fail "$python could not make .venv"
fi

# Errors are shown, warnings about this machine's pip settings are not.
pip() {
    PIP_USER=0 .venv/bin/python -m pip -qq --no-input --disable-pip-version-check "$@"
}
printf -- '-- packages from requirements.lock (about a minute the first time)\n'
pip install --require-hashes -r requirements.lock ||
    fail "the packages could not be installed; the lines above say why. The first install needs the network."
pip install --no-deps --no-build-isolation --editable . || fail "homeward itself could not be installed"

rm -f .venv/installed-*
: >"$stamp"
