/* Driver of @PREFIX@_top, plain C99: registers through two functions of the user, no other state.
   A program is a blob of 32-bit words (rtl/program/blob.py), loaded row by row; the image goes to
   s_axis and the results come from m_axis by other means (DMA, a queue of the system). */
#ifndef @NAME@_DRIVER_H
#define @NAME@_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "@PREFIX@_regs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The bus: both return 0 where the answer is OKAY. `wait` returns 0 when irq is high; it may give up
   with another value. offset: in bytes. */
typedef struct {
    void *bus;
    int (*read)(void *bus, uint32_t offset, uint32_t *value);
    int (*write)(void *bus, uint32_t offset, uint32_t value);
    int (*wait)(void *bus);
} @PREFIX@_device;

enum @PREFIX@_status {
    @NAME@_OK = 0,
    @NAME@_BUS = -1,       /* an access was refused */
    @NAME@_NOT_FOUND = -2, /* ID is not that of an accelerator of this register map */
    @NAME@_BAD_BLOB = -3,  /* no program, of another version, cut off, or for other memories */
    @NAME@_TIMEOUT = -4,   /* `wait` gave up */
    @NAME@_FAILED = -5     /* the run has ended with a bit of ERROR */
};

#define @NAME@_COUNTERS @COUNTERS@u /* registers from CYCLES on */
#define @NAME@_ALL_PASSES 0xffffffffu

/* Totals at the end of a pass, in the order of the registers. */
typedef struct {
    uint32_t values[@NAME@_COUNTERS];
} @PREFIX@_counters;

/* Checks ID, clears ERROR and INTERRUPT, enables both interrupts. */
int @PREFIX@_open(const @PREFIX@_device *device);

/* Loads a program; what was loaded before is no part of it. words: of the blob. */
int @PREFIX@_load(const @PREFIX@_device *device, const uint32_t *blob, size_t words);

/* Starts a run on the next image of the stream. */
int @PREFIX@_start(const @PREFIX@_device *device);

/* Waits for the end of a run. errors: bits of ERROR, which are cleared; 0 after a good run. */
int @PREFIX@_finish(const @PREFIX@_device *device, uint32_t *errors);

/* Ends a run. */
int @PREFIX@_abort(const @PREFIX@_device *device);

/* Counters at the end of a pass of the last run; @NAME@_ALL_PASSES: the totals now. */
int @PREFIX@_read_counters(const @PREFIX@_device *device, uint32_t pass,
                           @PREFIX@_counters *counters);

#ifdef @NAME@_MEMORY_BASE
/* Where external memory begins: a multiple of 4096. */
int @PREFIX@_set_memory(const @PREFIX@_device *device, uint32_t base);
#endif

#ifdef __cplusplus
}
#endif
#endif
