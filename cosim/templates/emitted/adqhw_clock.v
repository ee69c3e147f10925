// Clock and reset of the testbench, for simulators that need no other language (Icarus).
`timescale 1ns / 1ps

module adqhw_clock;
  reg clk = 0, rst = 1;
  wire done, failed;

  adqhw_testbench testbench (
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
