// cocotb around a compiled model whose clock runs here, below VPI and Python.
//
// Python is asked only at the start and when `done` has changed: a clock driven through VPI would cost
// as much as the model itself. What a bench may await: edges of `done`, ReadWrite, ReadOnly. Timers
// have no meaning here. Reset is done before Python sees the model. bench_network.py is the bench.
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"

extern "C" void vlog_startup_routines_bootstrap(void);

namespace {
void step(Vtop& top) {
    top.clk = 1;
    top.eval();
    Verilated::timeInc(5000);
    top.clk = 0;
    top.eval();
    Verilated::timeInc(5000);
}

void settle() {
    while (VerilatedVpi::callValueCbs()) {
    }
}

// One time step of IEEE 1800 as cocotb's own main for Verilator walks it, without timed callbacks.
void ask_python(Vtop& top) {
    do {
        do {
            top.eval_step();
            VerilatedVpi::clearEvalNeeded();
            VerilatedVpi::doInertialPuts();
            settle();
        } while (VerilatedVpi::evalNeeded());
        VerilatedVpi::callCbs(cbReadWriteSynch);
        VerilatedVpi::doInertialPuts();
        settle();
    } while (VerilatedVpi::evalNeeded());
    top.eval_end_step();
    VerilatedVpi::callCbs(cbReadOnlySynch);
}
}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    const auto top = std::make_unique<Vtop>("");
    Verilated::fatalOnVpiError(false);  // else registering system tasks fails
    top->clk = 0;
    top->start = 0;
    top->job = 0;
    top->rst = 1;
    for (int cycle = 0; cycle < 4; ++cycle) step(*top);
    top->rst = 0;
    vlog_startup_routines_bootstrap();
    VerilatedVpi::callCbs(cbStartOfSimulation);
    settle();
    while (true) {
        ask_python(*top);
        if (Verilated::gotFinish()) break;
        const auto done = top->done;
        do step(*top);
        while (top->done == done && !Verilated::gotFinish());
        VerilatedVpi::callCbs(cbNextSimTime);
    }
    top->final();
    VerilatedVpi::callCbs(cbEndOfSimulation);
    return Verilated::threadContextp()->errorCount() > 0;
}
