// A host of @PREFIX@_top in a Verilator model (driver_chip.h), which uses the driver as a user does.
//
// argv[1]: a script of lines; what happens is printed, a line each.
//   load FILE          program blob: "load STATUS"
//   memory FILE BASE SIZE   bytes of external memory, from BASE on: those of the file, then others
//   model LATENCY BEAT_CYCLES ROW_BYTES ROW_MISS   of external memory; fault ADDRESS: a beat there
//                      answers with an error (a number that is no address: none does)
//   image FILE [COUNT] 32-bit codes for s_axis, tlast with the last one; the first COUNT of them, or
//                      0s after them
//   run                start and finish: "run STATUS ERRORS COUNTER COUNTER ..." and the results of
//                      the run, "result DATA LAST USER"
//   stop CYCLES        start, and end the run after so many cycles: "stop STATUS"
//   right FILE CYCLES  the last run must have given the results of the file (32 bits each), in these
//                      cycles and the counted stalls of the streams
//   wrong ERRORS       the last run must have ended with these bits of ERROR
// A script with checks ends with PASS or FAIL, and exit code 1 where one failed.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "@PREFIX@_driver.h"
#include "driver_chip.h"

namespace {
struct Host {
    Chip chip;
    @PREFIX@_device device{&chip, read_register, write_register, wait_for_interrupt};
    int status = 0;  // of the last run
    std::uint32_t errors = 0;
    @PREFIX@_counters counters{};
    int checks = 0, failures = 0;

    void load(const std::string& path);
    void fill(const std::string& path, std::uint64_t base, std::uint64_t size);
    void offer(const std::string& path, std::size_t count);
    void run();
    void stop(std::uint64_t cycles);
    void must(bool right, const std::string& what);
    void right(const std::string& path, std::uint64_t cycles);
    bool obey(const std::string& line);
};

std::vector<std::uint32_t> words_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::uint32_t> words(bytes.size() / 4);
    for (std::size_t at = 0; at < 4 * words.size(); ++at)
        words[at / 4] |= std::uint32_t(std::uint8_t(bytes[at])) << 8 * (at % 4);
    return words;
}

void Host::load(const std::string& path) {
    const auto words = words_of(path);
    std::printf("load %d\n", @PREFIX@_load(&device, words.data(), words.size()));
}

void Host::fill(const std::string& path, std::uint64_t base, std::uint64_t size) {
    chip.base = base;
    chip.memory.assign(size, 0xA5);
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(chip.memory.data()), std::streamsize(size));
#ifdef @NAME@_MEMORY_BASE
    std::printf("base %d\n", @PREFIX@_set_memory(&device, std::uint32_t(base)));
#endif
}

void Host::offer(const std::string& path, std::size_t count) {
    auto codes = words_of(path);
    if (count) codes.resize(count);
    for (std::size_t at = 0; at < codes.size(); ++at)
        chip.image.push_back({codes[at], at + 1 == codes.size()});
}

void Host::run() {
    chip.results.clear();
    chip.open_row = ~0ull;
    counters = {};
    errors = 0;
    status = @PREFIX@_start(&device);
    if (!status) status = @PREFIX@_finish(&device, &errors);
    for (int wait = 0; wait < 1000; ++wait) chip.tick();  // the last results, a dropped image
    std::printf("run %d %u", status, errors);
    if (!status && !@PREFIX@_read_counters(&device, @NAME@_ALL_PASSES, &counters))
        for (const std::uint32_t value : counters.values) std::printf(" %u", value);
    std::printf("\n");
    for (const Result& each : chip.results)
        std::printf("result %d %d %d\n", each.data, int(each.last), int(each.user));
}

void Host::stop(std::uint64_t cycles) {
    chip.open_row = ~0ull;
    status = @PREFIX@_start(&device);
    for (; cycles; --cycles) chip.tick();
    if (!status) status = @PREFIX@_abort(&device);
    for (int wait = 0; wait < 1000; ++wait) chip.tick();
    std::printf("stop %d\n", status);
}

void Host::must(bool right, const std::string& what) {
    ++checks;
    if (right) return;
    ++failures;
    std::printf("check %d: %s (status %d, errors %u)\n", checks, what.c_str(), status, errors);
}

void Host::right(const std::string& path, std::uint64_t cycles) {
    const auto expected = words_of(path);
    bool same = chip.results.size() == expected.size();
    for (std::size_t at = 0; same && at < expected.size(); ++at) {
        const Result& found = chip.results[at];
        same = std::uint32_t(found.data) == expected[at] && !found.user &&
               found.last == (at + 1 == expected.size());
    }
    must(status == @NAME@_OK && same, "the results must be those of " + path);
    const auto value = [&](unsigned offset) { return counters.values[(offset - @NAME@_CYCLES) / 4]; };
    const std::uint64_t total = value(@NAME@_CYCLES);
    const std::uint64_t stalls = value(@NAME@_INPUT_STALLS) + value(@NAME@_OUTPUT_STALLS);
    must(total >= cycles && total <= cycles + stalls, "cycles must be the model's and the stalls");
}

// A line of the script; false: there is no such line.
bool Host::obey(const std::string& line) {
    std::istringstream fields(line);
    std::string what, path;
    std::uint64_t first = 0, second = 0;
    fields >> what;
    const bool with_file = what == "load" || what == "memory" || what == "image" || what == "right";
    if (with_file) fields >> path;
    if (what == "model") {
        fields >> chip.latency >> chip.beat_cycles >> chip.row_bytes >> chip.row_miss;
        return true;
    }
    fields >> first >> second;
    if (what == "load") load(path);
    else if (what == "memory") fill(path, first, second);
    else if (what == "image") offer(path, std::size_t(first));
    else if (what == "fault") chip.fault = first;
    else if (what == "run") run();
    else if (what == "stop") stop(first);
    else if (what == "right") right(path, first);
    else if (what == "wrong") must(status == @NAME@_FAILED && errors == first, "it must have failed");
    else return false;
    return true;
}
}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    Host host;
    host.chip.top->rst = 1;
    for (int wait = 0; wait < 4; ++wait) host.chip.tick();
    host.chip.top->rst = 0;
    std::printf("open %d\n", @PREFIX@_open(&host.device));
    std::ifstream script(argv[1]);
    for (std::string line; std::getline(script, line);)
        if (!host.obey(line)) return 2;
    host.chip.top->final();
    if (host.checks)
        std::printf("%s: %d of %d checks of the driver failed\n", host.failures ? "FAIL" : "PASS",
                    host.failures, host.checks);
    return host.failures ? 1 : 0;
}
