// Plays a stimulus file on a gate netlist and counts, per cell, its state before and after every
// cycle. Zero delay: a net changes at most once per cycle, glitches do not exist.
//
// A cycle: the rising clock edge moves the flip-flops, then the next inputs arrive and everything
// settles. "Before" and "after" are the settled values around one edge.
//
// Arguments: layout, stimulus, counts, records. All files are little-endian.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vgates.h"
#include "probes.h"
#include "verilated.h"

static std::vector<uint32_t> read_words(const char* path) {
    FILE* file = std::fopen(path, "rb");
    if (!file) { std::perror(path); std::exit(1); }
    std::fseek(file, 0, SEEK_END);
    std::vector<uint32_t> words(std::ftell(file) / 4);
    std::rewind(file);
    if (std::fread(words.data(), 4, words.size(), file) != words.size()) std::exit(1);
    std::fclose(file);
    return words;
}

struct Cell {
    std::vector<uint32_t> nets;  // low bit of the state first
    size_t base;                 // of its counters
    uint32_t state = 0;
};

struct Layout {
    uint32_t nets, words, ready, valid;  // `nets` means: no such net
    std::vector<uint32_t> record;        // nets that are written when `valid` is 1
    std::vector<Cell> cells;
    size_t counters = 0;

    explicit Layout(const std::vector<uint32_t>& w) {
        nets = w[0], words = w[1], ready = w[2], valid = w[3];
        size_t at = 6;
        for (uint32_t i = 0; i < w[4]; ++i) record.push_back(w[at++]);
        for (uint32_t i = 0; i < w[5]; ++i) {
            Cell cell;
            const uint32_t pins = w[at++];
            for (uint32_t pin = 0; pin < pins; ++pin) cell.nets.push_back(w[at++]);
            cell.base = counters;
            counters += size_t(1) << (2 * pins);
            cells.push_back(cell);
        }
    }
};

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    Layout layout(read_words(argv[1]));
    const std::vector<uint32_t> stimulus = read_words(argv[2]);
    FILE* records = std::fopen(argv[4], "wb");
    if (!records) { std::perror(argv[4]); return 1; }

    VerilatedContext context;
    Vgates top(&context);
    // Two more than nets: constant 0 and constant 1.
    std::vector<uint8_t> now(PROBES * 64 + 2, 0), before(now);
    std::vector<uint32_t> counts(layout.counters, 0), toggles(layout.nets, 0);
    const uint32_t zero = layout.nets, one = layout.nets + 1;
    uint64_t counted = 0, played = 0;
    bool was_counted = false;

    const size_t step = 1 + layout.words;  // flags, then the input vector
    for (size_t at = 0; at + step <= stimulus.size();) {
        const uint32_t flags = stimulus[at];  // 1: count, 2: repeat until ready, 4: record
        top.clk = 0;
        std::memcpy(static_cast<void*>(&top.stimulus[0]), &stimulus[at + 1], 4 * layout.words);
        top.eval();
        std::swap(now, before);
        for (uint32_t probe = 0; probe < PROBES; ++probe) {
            const uint64_t bits = probe_of(top, probe);
            for (int bit = 0; bit < 64; ++bit) now[probe * 64 + bit] = bits >> bit & 1;
        }
        now[zero] = 0, now[one] = 1;
        const bool counts_now = flags & 1;
        for (Cell& cell : layout.cells) {
            uint32_t state = 0;
            for (size_t pin = 0; pin < cell.nets.size(); ++pin)
                state |= uint32_t(now[cell.nets[pin]]) << pin;
            if (counts_now && was_counted)
                ++counts[cell.base + (size_t(cell.state) << cell.nets.size() | state)];
            cell.state = state;
        }
        if (counts_now && was_counted) {
            for (uint32_t net = 0; net < layout.nets; ++net) toggles[net] += now[net] ^ before[net];
            ++counted;
        }
        was_counted = counts_now;
        if (layout.valid < layout.nets && now[layout.valid] && (flags & 4))
            for (const uint32_t net : layout.record) std::fputc(now[net], records);
        const bool taken = !(flags & 2) || layout.ready >= layout.nets || now[layout.ready];
        top.clk = 1;
        top.eval();
        if (taken) at += step;
        if (++played > 1000 * (stimulus.size() / step) + 1000) {
            std::fprintf(stderr, "a record must be taken within 1000 cycles\n");
            return 3;
        }
    }
    std::fclose(records);
    FILE* out = std::fopen(argv[3], "wb");
    if (!out) { std::perror(argv[3]); return 1; }
    std::fwrite(&counted, 8, 1, out);
    std::fwrite(toggles.data(), 4, toggles.size(), out);
    std::fwrite(counts.data(), 4, counts.size(), out);
    return std::fclose(out) ? 1 : 0;
}
