// Clock and reset of the testbench in a Verilator model; exit code 1 when a code differed.
#include <cstdio>
#include <memory>

#include "Vadqhw_testbench.h"
#include "verilated.h"

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const auto top = std::make_unique<Vadqhw_testbench>(context.get());
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
