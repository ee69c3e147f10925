// Clock and reset of a testbench in a Verilator model; exit code 1 when a check failed.
#include <cstdio>
#include <memory>

#ifdef AXI_BENCH
#include "V@PREFIX@_axi_testbench.h"
using Testbench = V@PREFIX@_axi_testbench;
#else
#include "V@PREFIX@_testbench.h"
using Testbench = V@PREFIX@_testbench;
#endif
#include "verilated.h"

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // progress is seen when it is made
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const auto top = std::make_unique<Testbench>(context.get());
    top->rst = 1;
    for (unsigned long long cycle = 0; !top->done && !context->gotFinish(); ++cycle) {
        top->clk = 0;
        if (cycle == 4) top->rst = 0;
        top->eval();
        top->clk = 1;
        top->eval();
        context->timeInc(1);
    }
    top->final();
    return top->done && !top->failed ? 0 : 1;
}
