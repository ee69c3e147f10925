// A host of @PREFIX@_top in a Verilator model: the driver's two bus functions as AXI4-Lite
// transfers, streams from and to files, external memory with the arithmetic of rtl/timing/dram.py.
//
// argv[1]: a script of lines; what happens is printed, a line each.
//   load FILE          program blob: "load STATUS"
//   memory FILE BASE SIZE   bytes of external memory, from BASE on: those of the file, then others
//   model LATENCY BEAT_CYCLES ROW_BYTES ROW_MISS   of external memory; fault ADDRESS: a beat there
//                      answers with an error (a number that is no address: none does)
//   image FILE         32-bit codes for s_axis, tlast with the last one
//   run                start and finish: "run STATUS ERRORS COUNTER COUNTER ..." and the results of
//                      the run, "result DATA LAST USER"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "@PREFIX@_driver.h"
#include "verilated.h"

namespace {
constexpr unsigned kBusBytes = @BUS_BYTES@;
constexpr std::uint64_t kPatience = 20000000;  // cycles that `wait` and the bus wait at most

struct Burst {
    bool store;
    std::uint64_t address, beats, at, done;
};

struct Chip {
    VerilatedContext context;
    std::unique_ptr<Vtop> top{new Vtop(&context, "")};
    std::uint64_t cycle = 0;
    std::deque<std::pair<std::uint32_t, bool>> image;
    std::vector<std::string> results;
    std::vector<std::uint8_t> memory;
    std::uint64_t latency = 40, beat_cycles = 1, row_bytes = 2048, row_miss = 20, fault = ~0ull;
    std::uint64_t free_at = 0, open_row = ~0ull;
    std::deque<Burst> bursts;
    std::deque<std::pair<std::uint64_t, int>> answers;

    void tick();
    void drive_memory();
    void sample_memory();
    bool due() const;
};

#if @EXTERNAL@
bool Chip::due() const {
    if (bursts.empty()) return false;
    const Burst& burst = bursts.front();
    if (burst.done) return cycle >= free_at;
    const std::uint64_t from = burst.at + (burst.store ? 1 : latency);
    const std::uint64_t miss = burst.address / row_bytes == open_row ? 0 : row_miss;
    return cycle >= (from > free_at ? from : free_at) + miss;
}

void Chip::drive_memory() {
    const bool ready = due(), store = ready && bursts.front().store;
    top->m_axi_arready = top->m_axi_awready = 1;
    top->m_axi_rvalid = ready && !store;
    top->m_axi_wready = ready && store;
    if (ready && !store) {
        const Burst& burst = bursts.front();
        const std::uint64_t at = burst.address + burst.done * kBusBytes;
        for (unsigned byte = 0; byte < kBusBytes; ++byte)
            reinterpret_cast<std::uint8_t*>(&top->m_axi_rdata)[byte] = memory.at(at + byte);
        top->m_axi_rlast = burst.done + 1 == burst.beats;
        top->m_axi_rresp = at == fault ? 2 : 0;
    }
    top->m_axi_bvalid = !answers.empty() && cycle >= answers.front().first;
    top->m_axi_bresp = answers.empty() ? 0 : answers.front().second;
}

void Chip::sample_memory() {
    if (top->m_axi_arvalid)
        bursts.push_back({false, top->m_axi_araddr, top->m_axi_arlen + 1ull, cycle, 0});
    if (top->m_axi_awvalid)
        bursts.push_back({true, top->m_axi_awaddr, top->m_axi_awlen + 1ull, cycle, 0});
    if (top->m_axi_bvalid && top->m_axi_bready) answers.pop_front();
    const bool wrote = top->m_axi_wready && top->m_axi_wvalid;
    if (!wrote && !(top->m_axi_rvalid && top->m_axi_rready)) return;
    Burst& burst = bursts.front();
    const std::uint64_t at = burst.address + burst.done * kBusBytes;
    for (unsigned byte = 0; wrote && byte < kBusBytes; ++byte)
        if (top->m_axi_wstrb >> byte & 1)
            memory.at(at + byte) = reinterpret_cast<std::uint8_t*>(&top->m_axi_wdata)[byte];
    free_at = cycle + beat_cycles;
    open_row = burst.address / row_bytes;
    if (++burst.done < burst.beats) return;
    if (burst.store) answers.push_back({cycle + latency, 0});
    bursts.pop_front();
}
#else
bool Chip::due() const { return false; }
void Chip::drive_memory() {}
void Chip::sample_memory() {}
#endif

// One cycle: inputs are set after the edge, outputs are looked at before the next one.
void Chip::tick() {
    top->s_axis_tvalid = !image.empty();
    if (!image.empty()) {
        top->s_axis_tdata = image.front().first;
        top->s_axis_tlast = image.front().second;
    }
    top->m_axis_tready = 1;
    drive_memory();
    top->clk = 0;
    top->eval();
    if (top->s_axis_tvalid && top->s_axis_tready) image.pop_front();
    if (top->m_axis_tvalid) {
        std::ostringstream line;
        line << "result " << static_cast<std::int32_t>(top->m_axis_tdata) << ' '
             << int(top->m_axis_tlast) << ' ' << int(top->m_axis_tuser);
        results.push_back(line.str());
    }
    sample_memory();
    top->clk = 1;
    top->eval();
    context.timeInc(1);
    ++cycle;
}

// Ticks until `ready` is 1 in a cycle, which is the transfer's; 1: it never was.
template <typename Signal>
bool passes(Chip& chip, Signal& ready) {
    for (const std::uint64_t end = chip.cycle + kPatience; chip.cycle < end;) {
        chip.top->clk = 0;
        chip.top->eval();
        const bool now = ready;
        chip.tick();
        if (now) return true;
    }
    return false;
}

int write_register(void* bus, std::uint32_t offset, std::uint32_t value) {
    Chip& chip = *static_cast<Chip*>(bus);
    Vtop& top = *chip.top;
    top.s_axil_awaddr = offset;
    top.s_axil_awvalid = 1;
    if (!passes(chip, top.s_axil_awready)) return 1;
    top.s_axil_awvalid = 0;
    top.s_axil_wdata = value;
    top.s_axil_wstrb = 15;
    top.s_axil_wvalid = 1;
    if (!passes(chip, top.s_axil_wready)) return 1;
    top.s_axil_wvalid = 0;
    top.s_axil_bready = 1;
    for (const std::uint64_t end = chip.cycle + kPatience; chip.cycle < end;) {
        const bool valid = top.s_axil_bvalid;
        const int response = top.s_axil_bresp;
        chip.tick();
        if (valid) {
            top.s_axil_bready = 0;
            return response;
        }
    }
    return 1;
}

int read_register(void* bus, std::uint32_t offset, std::uint32_t* value) {
    Chip& chip = *static_cast<Chip*>(bus);
    Vtop& top = *chip.top;
    top.s_axil_araddr = offset;
    top.s_axil_arvalid = 1;
    if (!passes(chip, top.s_axil_arready)) return 1;
    top.s_axil_arvalid = 0;
    top.s_axil_rready = 1;
    for (const std::uint64_t end = chip.cycle + kPatience; chip.cycle < end;) {
        const bool valid = top.s_axil_rvalid;
        const int response = top.s_axil_rresp;
        *value = top.s_axil_rdata;
        chip.tick();
        if (valid) {
            top.s_axil_rready = 0;
            return response;
        }
    }
    return 1;
}

int wait_for_interrupt(void* bus) {
    Chip& chip = *static_cast<Chip*>(bus);
    for (const std::uint64_t end = chip.cycle + kPatience; chip.cycle < end; chip.tick())
        if (chip.top->irq) return 0;
    return 1;
}

std::vector<std::uint32_t> words_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::uint32_t> words(bytes.size() / 4);
    for (std::size_t at = 0; at < 4 * words.size(); ++at)
        words[at / 4] |= std::uint32_t(std::uint8_t(bytes[at])) << 8 * (at % 4);
    return words;
}

void run(Chip& chip, const @PREFIX@_device& device) {
    std::uint32_t errors = 0;
    chip.results.clear();
    chip.open_row = ~0ull;
    int status = @PREFIX@_start(&device);
    if (!status) status = @PREFIX@_finish(&device, &errors);
    for (int wait = 0; wait < 1000; ++wait) chip.tick();  // the last results, a dropped image
    std::printf("run %d %u", status, errors);
    @PREFIX@_counters counters;
    if (!status && !@PREFIX@_read_counters(&device, @NAME@_ALL_PASSES, &counters))
        for (const std::uint32_t value : counters.values) std::printf(" %u", value);
    std::printf("\n");
    for (const std::string& line : chip.results) std::printf("%s\n", line.c_str());
}
}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    Chip chip;
    const @PREFIX@_device device{&chip, read_register, write_register, wait_for_interrupt};
    chip.top->rst = 1;
    for (int wait = 0; wait < 4; ++wait) chip.tick();
    chip.top->rst = 0;
    std::printf("open %d\n", @PREFIX@_open(&device));
    std::ifstream script(argv[1]);
    for (std::string line; std::getline(script, line);) {
        std::istringstream fields(line);
        std::string what, path;
        fields >> what;
        if (what == "load") {
            fields >> path;
            const auto words = words_of(path);
            std::printf("load %d\n", @PREFIX@_load(&device, words.data(), words.size()));
        } else if (what == "memory") {
            std::uint64_t base = 0, size = 0;
            fields >> path >> base >> size;
            chip.memory.assign(base + size, 0xA5);
            std::ifstream file(path, std::ios::binary);
            file.read(reinterpret_cast<char*>(chip.memory.data() + base), std::streamsize(size));
#ifdef @NAME@_MEMORY_BASE
            std::printf("base %d\n", @PREFIX@_set_memory(&device, std::uint32_t(base)));
#endif
        } else if (what == "model") {
            fields >> chip.latency >> chip.beat_cycles >> chip.row_bytes >> chip.row_miss;
        } else if (what == "fault") {
            fields >> chip.fault;
        } else if (what == "image") {
            fields >> path;
            const auto codes = words_of(path);
            for (std::size_t at = 0; at < codes.size(); ++at)
                chip.image.push_back({codes[at], at + 1 == codes.size()});
        } else if (what == "run") {
            run(chip, device);
        } else {
            return 2;
        }
    }
    chip.top->final();
    return 0;
}
