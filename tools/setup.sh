#!/usr/bin/env bash
# Creates .venv and installs the pinned packages. Called by make; needs Python 3.11+, g++, make, perl.
set -euo pipefail
python=$1

refuse() { echo "adqhw set-up: $1" >&2; exit 2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    || refuse "Python must be 3.11 or newer, not $("$python" -V 2>&1); name another with 'make PYTHON=python3.12 ...'"
for tool in g++ make perl; do
    command -v "$tool" >/dev/null \
        || refuse "$tool must be installed (Verilator compiles its models with it): apt-get install $tool"
done
[ -x .venv/bin/python ] || { echo "creating .venv"; "$python" -m venv .venv \
    || refuse "the venv module must work (Debian: apt-get install python3-venv)"; }

# torch first and pinned: a plain 'torch' may bring several GB of CUDA packages.
echo "installing pinned packages (about a minute)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt 2> >(grep -v '^WARNING: Location' >&2)
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-oracles.txt 2> /dev/null \
    || echo "tflite_micro could not be installed: tests against it are skipped"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . 2> >(grep -v '^WARNING: Location' >&2)
