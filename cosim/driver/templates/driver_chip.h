// @PREFIX@_top in a Verilator model: the driver's bus functions as AXI4-Lite transfers, streams from
// and to queues, external memory with the arithmetic of rtl/timing/dram.py.
#ifndef DRIVER_CHIP_H
#define DRIVER_CHIP_H

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "V@PREFIX@_top.h"
#include "verilated.h"

namespace {
using Vtop = V@PREFIX@_top;
constexpr unsigned kBusBytes = @BUS_BYTES@;
constexpr std::uint64_t kPatience = 20000000;  // cycles that `wait` and the bus wait at most

struct Result {
    std::int32_t data;
    bool last, user;
};

struct Burst {
    bool store;
    std::uint64_t address, beats, at, done;
};

struct Chip {
    VerilatedContext context;
    std::unique_ptr<Vtop> top{new Vtop(&context, "")};
    std::uint64_t cycle = 0;
    std::deque<std::pair<std::uint32_t, bool>> image;
    std::vector<Result> results;
    std::vector<std::uint8_t> memory;  // from `base` on
    std::uint64_t base = 0;
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
    const std::uint64_t miss = (burst.address - base) / row_bytes == open_row ? 0 : row_miss;
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
            reinterpret_cast<std::uint8_t*>(&top->m_axi_rdata)[byte] = memory.at(at - base + byte);
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
            memory.at(at - base + byte) = reinterpret_cast<std::uint8_t*>(&top->m_axi_wdata)[byte];
    free_at = cycle + beat_cycles;
    open_row = (burst.address - base) / row_bytes;
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
    if (top->m_axis_tvalid)
        results.push_back({static_cast<std::int32_t>(top->m_axis_tdata), bool(top->m_axis_tlast),
                           bool(top->m_axis_tuser)});
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
}  // namespace
#endif
