// Drives the same compiled model as bench_engine.py does, without Python: reset, then every job.
// The cost of cocotb is the difference of the two.
#include <cstdlib>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

namespace {
void step(VerilatedContext& context, Vtop& top) {
    top.clk = 0;
    top.eval();
    context.timeInc(5000);
    top.clk = 1;
    top.eval();
    context.timeInc(5000);
}
}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    const auto top = std::make_unique<Vtop>(context.get(), "");
    const int jobs = argc > 1 ? std::atoi(argv[1]) : 0;
    top->start = 0;
    top->job = 0;
    top->rst = 1;
    for (int cycle = 0; cycle < 4; ++cycle) step(*context, *top);
    top->rst = 0;
    for (int job = 0; job < jobs; ++job) {
        top->job = job;
        top->start = 1;
        while (!top->done) step(*context, *top);
        top->start = 0;
        while (top->done) step(*context, *top);
    }
    top->final();
    return 0;
}
