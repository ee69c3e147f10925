// Plays job 0 of a working folder and writes the waves of a window of its cycles.
// Arguments: file, first and last cycle of the image, clock edges from start to its cycle 0.
// Time in the file is 10 units per cycle: registers of cycle c are seen from 10 c - 5 to 10 c + 5.
#include <cstdlib>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#ifdef ADQHW_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#else
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const long long first = std::atoll(argv[2]), last = std::atoll(argv[3]);
    const long long lead = std::atoll(argv[4]);
    const auto context = std::make_unique<VerilatedContext>();
    context->traceEverOn(true);
    const auto top = std::make_unique<Vtop>(context.get(), "");
    const auto trace = std::make_unique<Trace>();
    top->trace(trace.get(), 99);
    trace->open(argv[1]);
    top->start = 0;
    top->job = 0;
    top->rst = 1;
    for (long long edge = -4; !top->done && edge - lead <= last; ++edge) {
        if (edge == 0) {
            top->rst = 0;
            top->start = 1;
        }
        const long long cycle = edge - lead;
        const bool inside = edge >= lead && cycle >= first;
        top->clk = 0;
        top->eval();
        if (inside) trace->dump(static_cast<uint64_t>(10 * cycle));
        top->clk = 1;
        top->eval();
        if (inside) trace->dump(static_cast<uint64_t>(10 * cycle + 5));
    }
    trace->close();
    top->final();
    return 0;
}
