#!/bin/sh
# A compiler in front of the compiler: OBJCACHE of Verilator's makefiles, for tests/conftest.py.
# Verilator's own runtime (verilated*.cpp) is the same in every build: it is compiled once per run
# of the suite and copied after that. Everything else goes to the compiler as it is.
for source in "$@"; do :; done
for target in "$@"; do [ "$before" = "-o" ] && break; before=$target; done
case "$source" in
*/verilator/include/verilated*.cpp) ;;
*) exec "$@" ;;
esac
kept="$ADQHW_OBJECTS/$(echo "$@" | cksum | tr ' ' _)_$(basename "$target")"
if [ ! -f "$kept" ]; then
    "$@" || exit
    cp "$target" "$kept.$$" && mv "$kept.$$" "$kept"
    exit
fi
cp "$kept" "$target"
