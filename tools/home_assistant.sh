#!/bin/sh
# Make the environment of the Home Assistant that tests run:  tools/home_assistant.sh   (about two minutes, 800 MB)
#
# Into .cache/home-assistant, from the hashed lock in tests/home_assistant. Home Assistant 2025.4 needs Python 3.13;
# PYTHON_3_13=... in the environment names one. A second run with the same lock does nothing and needs no network.
# It is made only when somebody asks for it, or CI: without it the tests that need it skip.
set -eu
cd "$(dirname "$0")/.."
lock=tests/home_assistant/requirements.lock
here=$(pwd -P)/.cache/home-assistant

fail() {
    printf 'homeward: %s\n' "$*" >&2
    exit 1
}

choose_python() {
    for candidate in ${PYTHON_3_13:-python3.13 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python}; do
        # A version manager leaves commands that exist and do not run, so each is asked.
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Home Assistant's tests need Python 3.13 with venv. Install it, or name it: PYTHON_3_13=/path/to/python3.13"
}

stamp=$here/installed-$({ printf '%s\n' "$here"; cat "$lock"; } | cksum | cut -d ' ' -f 1)
[ ! -e "$stamp" ] || exit 0

python=$(choose_python) || exit 1
printf -- '-- .cache/home-assistant (%s, about two minutes)\n' "$("$python" --version)"
mkdir -p .cache
rm -rf "$here"
"$python" -m venv "$here" || fail "$python could not make $here"
PIP_USER=0 "$here/bin/python" -m pip -qq --no-input --disable-pip-version-check install --require-hashes -r "$lock" ||
    fail "Home Assistant could not be installed; the lines above say why. The first install needs the network."
: >"$stamp"
