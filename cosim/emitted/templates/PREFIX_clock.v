// Clock and reset of a testbench, for simulators that need no other language (Icarus).
// AXI_BENCH: of the one that drives the top level.
`timescale 1ns / 1ps

module @PREFIX@_clock;
  reg clk = 0, rst = 1;
  wire done, failed;

`ifdef AXI_BENCH
  @PREFIX@_axi_testbench testbench (
`else
  @PREFIX@_testbench testbench (
`endif
      .clk(clk),
      .rst(rst),
      .done(done),
      .failed(failed)
  );

  always #5 clk = ~clk;

  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    wait (done);
    if (failed) $fatal(1, "differences were found");
    $finish;
  end
endmodule
