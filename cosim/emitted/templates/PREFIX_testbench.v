// Self-checking testbench of an emitted accelerator: plain Verilog, no Python.
//
// Prints when a layer ends, and that it goes on. Loads memory.hex through the load port, plays the images of codes.hex, one start each, and checks
// every code written to the activation memory (expected.hex, by layer and address), every result
// (results.hex) and the cycle in which every layer ends (cycles.hex). The clock comes from outside:
// @PREFIX@_clock.v (any simulator) or main.cpp (Verilator).
`default_nettype none

module @PREFIX@_testbench #(
    parameter FOLDER = "./"  // of the .hex files
) (
    input  wire clk,
    input  wire rst,
    output reg  done,
    output reg  failed
);
  localparam LOADS = @LOADS@;  // rows of memory.hex
  localparam IMAGES = @IMAGES@;
  localparam CODES = @CODES@;  // codes of an image
  localparam WORDS = @WORDS@;  // words of expected.hex of an image
  localparam STORED = @STORED@;  // codes in these words
  localparam RESULTS = @RESULTS@;  // results of an image
  localparam PASSES = @PASSES@;
  localparam LAYERS = @LAYERS@;
  localparam TOTAL = @TOTAL@;  // cycles of an image
  localparam LIMIT = @LIMIT@;  // cycles after which an image is given up
  localparam PROGRESS = @PROGRESS@;  // cycles between two signs of life
  localparam ROWS = @ROWS@;
  localparam WIDTH = @CODE_WIDTH@;  // of a stored code
  localparam OUT = @OUT_WIDTH@;
  localparam SHOWN = 10;  // differences that are printed
  localparam IDLE = 0, LOADING = 1, STARTING = 2, RUNNING = 3, FINISHED = 4;

  reg [@LOAD_WIDTH@-1:0] memory[0:LOADS-1];
  reg [WIDTH-1:0] codes[0:IMAGES*CODES-1];
  reg [ROWS+ROWS*WIDTH-1:0] expected[0:IMAGES*WORDS-1];  // {lanes that count, codes}
  reg [OUT-1:0] results[0:IMAGES*RESULTS-1];
  reg [31:0] cycles[0:PASSES-1];  // since start; all ones: the layer goes on
  reg [31:0] offsets[0:@OFFSETS@-1];  // of a @OFFSET_OF@ in expected.hex, less its base address

  reg [2:0] state;
  reg [31:0] load_at, code_at, result_at, seen, cycle, image, errors, checked, layers;
  reg [31:0] at;
  integer lane;

  wire running = state == RUNNING;
  wire image_valid = running && code_at < CODES;
  wire image_ready, result_valid, busy, finished, record;
  wire [@RESULT_WIDTH@-1:0] result;
  wire [@COUNTERS_WIDTH@-1:0] counters;
  wire [@NUMBER_WIDTH@-1:0] ended;
  wire [@WRITE_WIDTH@-1:0] write;
  wire [@LAYER_WIDTH@-1:0] write_layer = write[0+:@LAYER_WIDTH@];
  wire [@ADDRESS_WIDTH@-1:0] write_address = write[@LAYER_WIDTH@+:@ADDRESS_WIDTH@];
  wire [ROWS-1:0] write_lanes = write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+:ROWS];
  wire [ROWS*WIDTH-1:0] write_word = write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+ROWS+:ROWS*WIDTH];@SECOND_WIRES@
@if EXTERNAL@
  reg [31:0] pass;  // that runs
@EXTERNAL_WIRES@
@end@

  @PREFIX@_accelerator accelerator (
      .clk(clk),
      .rst(rst),
      .load_valid(state == LOADING),
      .load_payload(memory[load_at]),
      .start(state == STARTING),
      .busy(busy),
      .done(finished),
      .image_valid(image_valid),
      .image_ready(image_ready),
      .image_payload(codes[image*CODES+code_at]),
      .image_last(),
      .progress(),
      .result_valid(result_valid),
      .result_ready(running),
      .result_payload(result),
      .counters(counters),
      .record(record),
      .ended(ended),
@if EXTERNAL@
@EXTERNAL_PORTS@
@end@
      .write(write)@SECOND_PORT@
  );
@if EXTERNAL@

  @PREFIX@_memory_bench #(
      .FOLDER(FOLDER)
  ) memory_bench (
      .clk(clk),
      .rst(rst),
      .fill(state == LOADING && load_at == 0),
      .forget(state == STARTING),
      .program_number(32'd0),
      .latency(32'd@LATENCY@),
      .beat_cycles(32'd@BEAT_CYCLES@),
      .row_shift(32'd@ROW_SHIFT@),
      .row_miss(32'd@ROW_MISS@),
@MEMORY_PORTS@
      .stall(32'd0),
      .stop(1'b0),
      .idle()
  );
@end@

  initial begin
    $readmemh({FOLDER, "memory.hex"}, memory);
    $readmemh({FOLDER, "codes.hex"}, codes);
    $readmemh({FOLDER, "expected.hex"}, expected);
    $readmemh({FOLDER, "results.hex"}, results);
    $readmemh({FOLDER, "cycles.hex"}, cycles);
    $readmemh({FOLDER, "offsets.hex"}, offsets);
  end

  task differ;
    begin
      errors = errors + 1;
      failed <= 1;
    end
  endtask

  task check_write;
    begin
      at = image * WORDS + offsets[@WRITE_OFFSET@] + {{32 - @ADDRESS_WIDTH@{1'b0}}, write_address};
      for (lane = 0; lane < ROWS; lane = lane + 1)
        if (write_lanes[lane] && (expected[at][ROWS*WIDTH+lane] !== 1'b0)) begin
          seen = seen + 1;
          checked = checked + 1;
          if (write_word[lane*WIDTH+:WIDTH] !== expected[at][lane*WIDTH+:WIDTH]) begin
            differ;
            if (errors <= SHOWN)
              $display("image %0d layer %0d address %0d lane %0d cycle %0d: code must be %h, not %h",
                       image, write_layer, write_address, lane, cycle,
                       expected[at][lane*WIDTH+:WIDTH], write_word[lane*WIDTH+:WIDTH]);
          end
        end
    end
  endtask@SECOND_TASK@

  task check_result;
    begin
      checked = checked + 1;
      if (result_at >= RESULTS || result !== {result_at + 1 == RESULTS, results[image*RESULTS+result_at]})
      begin
        differ;
        if (errors <= SHOWN)
          $display("image %0d result %0d cycle %0d: must be %h, not %h (last %b)", image, result_at,
                   cycle, results[image*RESULTS+result_at], result[OUT-1:0], result[OUT]);
      end
      result_at = result_at + 1;
    end
  endtask

  task check_cycles;
    begin
      if (cycles[ended] != 32'hffffffff && cycles[ended] !== counters[31:0]) begin
        differ;
        if (errors <= SHOWN)
          $display("image %0d pass %0d: must end in cycle %0d, not %0d", image, ended,
                   cycles[ended], counters[31:0]);
      end
      if (cycles[ended] != 32'hffffffff) begin
        layers = layers + 1;
        $display("image %0d of %0d: layer %0d of %0d ends in cycle %0d", image + 1, IMAGES, layers,
                 LAYERS, counters[31:0]);
        $fflush;
      end
    end
  endtask

  task check_end;
    begin
      if (!finished || seen != STORED || result_at != RESULTS) begin
        differ;
        $display("image %0d: %0d of %0d codes and %0d of %0d results came in %0d cycles%s", image,
                 seen, STORED, result_at, RESULTS, cycle, finished ? "" : ", never done");
      end
      $display("image %0d: %0d cycles", image, counters[31:0]);
    end
  endtask

  always @(posedge clk) begin
    if (rst) begin
      state   <= IDLE;
      done    <= 0;
      failed  <= 0;
      image   <= 0;
      load_at <= 0;
      errors = 0;
      checked = 0;
    end else if (state == IDLE) state <= LOADING;
    else if (state == LOADING) begin
      load_at <= load_at + 1;
      if (load_at + 1 == LOADS) state <= STARTING;
    end else if (state == STARTING) begin
      state   <= RUNNING;
      code_at <= 0;
      cycle   <= 0;
@if EXTERNAL@
      pass    <= 0;
@end@
      result_at = 0;
      seen = 0;
      layers = 0;
    end else if (state == RUNNING) begin
      cycle <= cycle + 1;
      if (cycle % PROGRESS == PROGRESS - 1) begin
        $display("image %0d of %0d: cycle %0d of %0d", image + 1, IMAGES, cycle + 1, TOTAL);
        $fflush;
      end
      if (image_valid && image_ready) code_at <= code_at + 1;
      if (write_lanes != 0) check_write;@SECOND_CHECK@
      if (result_valid) check_result;
      if (record) check_cycles;
@if EXTERNAL@
      if (record) pass <= {{32 - @NUMBER_WIDTH@{1'b0}}, ended} + 1;
@end@
      if (finished || cycle == LIMIT) begin
        check_end;
        image <= image + 1;
        state <= image + 1 == IMAGES ? FINISHED : STARTING;
      end
    end else if (!done) begin
      done <= 1;
      if (errors == 0) $display("PASS: %0d images, %0d codes checked", IMAGES, checked);
      else $display("FAIL: %0d differences in %0d codes", errors, checked);
    end
  end
endmodule
`default_nettype wire
