/* Driver of @PREFIX@_top; see @PREFIX@_driver.h. */
#include "@PREFIX@_driver.h"

#define BLOB_MAGIC 0x@BLOB_MAGIC@u
#define BLOB_VERSION @BLOB_VERSION@u
#define HEADER_WORDS 3u
#define SECTION_WORDS 4u

static int get(const @PREFIX@_device *device, uint32_t offset, uint32_t *value) {
    return device->read(device->bus, offset, value) ? @NAME@_BUS : @NAME@_OK;
}

static int put(const @PREFIX@_device *device, uint32_t offset, uint32_t value) {
    return device->write(device->bus, offset, value) ? @NAME@_BUS : @NAME@_OK;
}

int @PREFIX@_open(const @PREFIX@_device *device) {
    uint32_t id;
    int status = get(device, @NAME@_ID, &id);
    if (status) return status;
    if (id != ((uint32_t)@NAME@_ID_MAGIC_RESET << @NAME@_ID_MAGIC_SHIFT | @NAME@_ID_VERSION_RESET))
        return @NAME@_NOT_FOUND;
    if ((status = put(device, @NAME@_ERROR, 0xffffffffu))) return status;
    if ((status = put(device, @NAME@_INTERRUPT, 0xffffffffu))) return status;
    return put(device, @NAME@_INTERRUPT_ENABLE,
               @NAME@_INTERRUPT_ENABLE_DONE | @NAME@_INTERRUPT_ENABLE_ERROR);
}

/* Rows of one memory, consecutive. */
static int load_section(const @PREFIX@_device *device, const uint32_t *section) {
    uint32_t row = section[1], rows = section[2], row_words = section[3];
    const uint32_t *data = section + SECTION_WORDS;
    size_t count = (size_t)rows * row_words, at;
    int status = put(device, @NAME@_TARGET, section[0]);
    if (!status) status = put(device, @NAME@_ROW, row);
    for (at = 0; at < count && !status; ++at) status = put(device, @NAME@_DATA, data[at]);
    return status;
}

int @PREFIX@_load(const @PREFIX@_device *device, const uint32_t *blob, size_t words) {
    size_t at = HEADER_WORDS;
    uint32_t section, state;
    int status;
    if (words < HEADER_WORDS || blob[0] != BLOB_MAGIC || blob[1] != BLOB_VERSION)
        return @NAME@_BAD_BLOB;
    for (section = 0; section < blob[2]; ++section) { /* before anything is written */
        size_t size;
        if (words - at < SECTION_WORDS) return @NAME@_BAD_BLOB;
        size = SECTION_WORDS + (size_t)blob[at + 2] * blob[at + 3];
        if (words - at < size) return @NAME@_BAD_BLOB;
        at += size;
    }
    if (at != words) return @NAME@_BAD_BLOB;
    for (section = 0, at = HEADER_WORDS; section < blob[2]; ++section) {
        if ((status = load_section(device, blob + at))) return status;
        at += SECTION_WORDS + (size_t)blob[at + 2] * blob[at + 3];
    }
    if ((status = get(device, @NAME@_STATUS, &state))) return status;
    return state & @NAME@_STATUS_LOADED ? @NAME@_OK : @NAME@_BAD_BLOB;
}

int @PREFIX@_start(const @PREFIX@_device *device) {
    return put(device, @NAME@_CONTROL, @NAME@_CONTROL_START);
}

int @PREFIX@_abort(const @PREFIX@_device *device) {
    return put(device, @NAME@_CONTROL, @NAME@_CONTROL_ABORT);
}

int @PREFIX@_finish(const @PREFIX@_device *device, uint32_t *errors) {
    uint32_t happened;
    int status;
    *errors = 0;
    if (device->wait(device->bus)) return @NAME@_TIMEOUT;
    if ((status = get(device, @NAME@_INTERRUPT, &happened))) return status;
    if ((status = get(device, @NAME@_ERROR, errors))) return status;
    if ((status = put(device, @NAME@_ERROR, *errors))) return status;
    if ((status = put(device, @NAME@_INTERRUPT, happened))) return status;
    return *errors ? @NAME@_FAILED : @NAME@_OK;
}

int @PREFIX@_read_counters(const @PREFIX@_device *device, uint32_t pass,
                           @PREFIX@_counters *counters) {
    uint32_t number;
    int status = put(device, @NAME@_PASS, pass);
    for (number = 0; number < @NAME@_COUNTERS && !status; ++number)
        status = get(device, @NAME@_CYCLES + 4u * number, &counters->values[number]);
    return status;
}

#ifdef @NAME@_MEMORY_BASE
int @PREFIX@_set_memory(const @PREFIX@_device *device, uint32_t base) {
    return put(device, @NAME@_MEMORY_BASE, base);
}
#endif
