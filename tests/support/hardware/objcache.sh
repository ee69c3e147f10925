#!/bin/sh
# A compiler in front of the compiler: OBJCACHE of Verilator's makefiles, for tests/conftest.py.
# Verilator's own runtime (verilated*.cpp) is the same in every build: it is compiled once per run
# of the suite and copied after that. Models are compiled without optimization where ADQHW_QUICK is
# set: most tests simulate for less time than that takes.
for source in "$@"; do :; done
for target in "$@"; do [ "$before" = "-o" ] && break; before=$target; done
case "$source" in
*/verilator/include/verilated*.cpp) ;;
*) exec "$@" ${ADQHW_QUICK:+-O0} ;;
esac
kept="$ADQHW_OBJECTS/$(echo "$@" | cksum | tr ' ' _)_$(basename "$target")"
if [ ! -f "$kept" ]; then
    "$@" || exit
    cp "$target" "$kept.$$" && mv "$kept.$$" "$kept"
    exit
fi
cp "$kept" "$target"
