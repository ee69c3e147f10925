"""The engine keeps a bounded number of programs alive, however many it has run."""

import gc
import weakref

import programs

from adqhw.sim import engine


def test_programs_that_were_run_can_be_freed():
    alive = []
    for seed in range(3 * engine.KEPT_RUNNERS):
        program = programs.random_program(seed)
        engine.run(program, programs.random_images(program, 1))
        alive.append(weakref.ref(program))
        del program
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= engine.KEPT_RUNNERS
