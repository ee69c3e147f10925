// Self-checking testbench of the top level, over its bus alone: plain Verilog, no Python.
//
// Loads memory.hex through AXI4-Lite, then runs the images of codes.hex, one START each. Checks the
// response to every access, every result (results.hex) with its tlast, and that a run takes the
// cycles of the model and those in which a stream was held back, no more. During each run it writes
// DATA once: that must answer SLVERR, set ERROR.BUSY and change nothing else.
//
// Plusargs: +seed=N; +image_idle=N, +result_pause=N, +bus_idle=N: chances out of 256, per cycle, that
// the image, the results, an access wait. The clock comes from outside, as for the other testbench.
@if EXTERNAL@
// +memory_stall=N: the same for an address, a beat or a response of external memory; the cycles
// of a run have no upper bound then.
@end@
`default_nettype none

module @PREFIX@_axi_testbench #(
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
  localparam RESULTS = @RESULTS@;  // results of an image
  localparam TOTAL = @TOTAL@;  // cycles of an image whose streams never wait
  localparam LIMIT = @LIMIT@;  // cycles after which an image is given up, if they do not
  localparam PROGRESS = @PROGRESS@;  // cycles between two signs of life
  localparam WIDTH = @CODE_WIDTH@;  // of a code
  localparam OUT = @OUT_WIDTH@;  // of a result
  localparam TARGET_BITS = @TARGET_WIDTH@, ROW_BITS = @ROW_WIDTH@, LOAD_BITS = @LOAD_WIDTH@;
  localparam SHOWN = 10;  // differences that are printed
  localparam [1:0] OKAY = 0, SLVERR = 2;
  // registers (@PREFIX@_regs.h)
  localparam [11:0] CONTROL = @CONTROL@, STATUS = @STATUS@, ERROR = @ERROR@, TARGET = @TARGET@,
      ROW = @ROW@, DATA = @DATA@, CYCLES = @CYCLES@, INPUT_STALLS = @INPUT_STALLS@,
      OUTPUT_STALLS = @OUTPUT_STALLS@;
@if EXTERNAL@
  localparam [11:0] MEMORY_BASE = @MEMORY_BASE@;
  localparam [31:0] BASE = @BASE@;  // of external memory
  localparam SET_BASE = 13;
@end@
  localparam [31:0] START = @START@, BUSY = @BUSY@, DONE = @DONE@, LOADED = @LOADED@,
      WAITING = @WAITING@, ERROR_BUSY = @ERROR_BUSY@;
  // what the host does next
  localparam NEXT_ROW = 0, SET_ROW = 1, SET_DATA = 2, RUN = 3, DISTURB = 4, SEE = 5, CLEAR = 6,
      WAIT = 7, COUNT = 8, COUNT_IN = 9, COUNT_OUT = 10, CLEAN = 11, FINISHED = 12;

  reg [LOAD_BITS-1:0] memory[0:LOADS-1];
  reg [WIDTH-1:0] codes[0:IMAGES*CODES-1];
  reg [OUT-1:0] results[0:IMAGES*RESULTS-1];

  reg [3:0] state;
  reg [31:0] load_at, word_at, image, code_at, result_at, errors, checked, accesses;
  reg [31:0] image_idle, result_pause, bus_idle, seed, noise, slowest;
  reg [31:0] total, input_stalls;
  reg [63:0] cycle, limit;
  reg [TARGET_BITS-1:0] target;
  reg [ROW_BITS-1:0] row;
  reg wrong;  // a plusarg
  reg image_open;  // the image may be offered
@if EXTERNAL@
  reg [31:0] memory_stall;
  wire [31:0] araddr, awaddr;
  wire [7:0] arlen, awlen;
  wire axi_arvalid, axi_arready, axi_rlast, axi_rvalid, axi_rready, axi_awvalid, axi_awready;
  wire axi_wlast, axi_wvalid, axi_wready, axi_bvalid, axi_bready;
  wire [@BUS_WIDTH@-1:0] axi_rdata, axi_wdata;
  wire [@BUS_WIDTH@/8-1:0] axi_wstrb;
@end@

  // One access at a time: `pending` says which of its channels are still to be offered.
  reg busy, writing, aw_pending, w_pending, ar_pending;
  reg [1:0] wanted;
  reg [31:0] answer;
  reg [11:0] address;
  reg [31:0] value;
  reg awvalid, wvalid, arvalid, bready, rready;
  wire awready, wready, arready, bvalid, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;

  reg image_valid, result_ready;
  wire image_ready, result_valid, result_last, result_cut;
  wire [31:0] result;
  wire [WIDTH-1:0] code = codes[image*CODES+code_at];
  wire image_last = code_at + 1 == CODES;
  wire image_taken = image_valid && image_ready;
  wire result_taken = result_valid && result_ready;
  wire [OUT-1:0] expected = results[image*RESULTS+result_at];
  wire [63:0] extended = {{64 - OUT{expected[OUT-1]}}, expected};

  @PREFIX@_top top (
      .clk(clk),
      .rst(rst),
@if HOLDS@
      .irq(),
@end@
@if EXTERNAL@
      .m_axi_araddr(araddr),
      .m_axi_arlen(arlen),
      .m_axi_arvalid(axi_arvalid),
      .m_axi_arready(axi_arready),
      .m_axi_arid(),
      .m_axi_arsize(),
      .m_axi_arburst(),
      .m_axi_arcache(),
      .m_axi_arprot(),
      .m_axi_rdata(axi_rdata),
      .m_axi_rlast(axi_rlast),
      .m_axi_rvalid(axi_rvalid),
      .m_axi_rready(axi_rready),
      .m_axi_rid(1'b0),
      .m_axi_rresp(2'b00),
      .m_axi_awaddr(awaddr),
      .m_axi_awlen(awlen),
      .m_axi_awvalid(axi_awvalid),
      .m_axi_awready(axi_awready),
      .m_axi_awid(),
      .m_axi_awsize(),
      .m_axi_awburst(),
      .m_axi_awcache(),
      .m_axi_awprot(),
      .m_axi_wdata(axi_wdata),
      .m_axi_wstrb(axi_wstrb),
      .m_axi_wlast(axi_wlast),
      .m_axi_wvalid(axi_wvalid),
      .m_axi_wready(axi_wready),
      .m_axi_bvalid(axi_bvalid),
      .m_axi_bready(axi_bready),
      .m_axi_bid(1'b0),
      .m_axi_bresp(2'b00),
@end@
      .s_axil_awaddr(address),
      .s_axil_awprot(3'd0),
      .s_axil_awvalid(awvalid),
      .s_axil_awready(awready),
      .s_axil_wdata(value),
      .s_axil_wstrb(4'hf),
      .s_axil_wvalid(wvalid),
      .s_axil_wready(wready),
      .s_axil_bresp(bresp),
      .s_axil_bvalid(bvalid),
      .s_axil_bready(bready),
      .s_axil_araddr(address),
      .s_axil_arprot(3'd0),
      .s_axil_arvalid(arvalid),
      .s_axil_arready(arready),
      .s_axil_rdata(rdata),
      .s_axil_rresp(rresp),
      .s_axil_rvalid(rvalid),
      .s_axil_rready(rready),
      .s_axis_tdata(image_valid ? @CODE_BITS@'d0 | code : noise[@CODE_BITS@-1:0]),
      .s_axis_tlast(image_valid ? image_last : noise[31]),
      .s_axis_tvalid(image_valid),
      .s_axis_tready(image_ready),
      .m_axis_tdata(result),
      .m_axis_tlast(result_last),
      .m_axis_tuser(result_cut),
      .m_axis_tvalid(result_valid),
      .m_axis_tready(result_ready)
  );
@if EXTERNAL@

  @PREFIX@_memory_model #(
      .FOLDER(FOLDER)
  ) memory_model (
      .clk(clk),
      .rst(rst),
      .fill(!rst && state == SET_BASE),
      .forget(state == RUN),
      .program_number(32'd0),
      .base(BASE),
      .latency(32'd@LATENCY@),
      .beat_cycles(32'd@BEAT_CYCLES@),
      .row_shift(32'd@ROW_SHIFT@),
      .row_miss(32'd@ROW_MISS@),
      .stall(memory_stall),
      .araddr(araddr),
      .arlen(arlen),
      .arvalid(axi_arvalid),
      .arready(axi_arready),
      .rdata(axi_rdata),
      .rlast(axi_rlast),
      .rvalid(axi_rvalid),
      .rready(axi_rready),
      .awaddr(awaddr),
      .awlen(awlen),
      .awvalid(axi_awvalid),
      .awready(axi_awready),
      .wdata(axi_wdata),
      .wstrb(axi_wstrb),
      .wlast(axi_wlast),
      .wvalid(axi_wvalid),
      .wready(axi_wready),
      .bvalid(axi_bvalid),
      .bready(axi_bready)
  );
@end@

  // DATA words of a row of a memory
  function [31:0] words;
    input [TARGET_BITS-1:0] memory_number;
    case (memory_number)
@WORDS_OF@
      default: words = 0;
    endcase
  endfunction

  initial begin
    $readmemh({FOLDER, "memory.hex"}, memory);
    $readmemh({FOLDER, "codes.hex"}, codes);
    $readmemh({FOLDER, "results.hex"}, results);
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    if (!$value$plusargs("image_idle=%d", image_idle)) image_idle = 96;
    if (!$value$plusargs("result_pause=%d", result_pause)) result_pause = 96;
    if (!$value$plusargs("bus_idle=%d", bus_idle)) bus_idle = 32;
    slowest = image_idle > result_pause ? image_idle : result_pause;
@if EXTERNAL@
    if (!$value$plusargs("memory_stall=%d", memory_stall)) memory_stall = 24;
    if (memory_stall > slowest) slowest = memory_stall;
@end@
    wrong = slowest > 255 || bus_idle > 255;
    if (wrong) $display("a chance to wait must be in 0..255");
    limit = LIMIT;
    limit = limit * 1024 / (256 - slowest);
  end

  task differ;
    begin
      errors = errors + 1;
      failed <= 1;
    end
  endtask

  task access(input write, input [11:0] at, input [31:0] data, input [1:0] response);
    begin
      busy = 1;
      writing = write;
      address <= at;
      value <= data;
      wanted = response;
      aw_pending = write;
      w_pending = write;
      ar_pending = !write;
      accesses = accesses + 1;
    end
  endtask

  task respond(input [1:0] response);
    begin
      busy = 0;
      checked = checked + 1;
      if (response !== wanted) begin
        differ;
        if (errors <= SHOWN)
          $display("%0s of register %h: response must be %0d, not %0d", writing ? "write" : "read",
                   address, wanted, response);
      end
    end
  endtask

  // The channels of AXI4-Lite. Nothing is offered before its turn, and it stays until it is taken.
  task bus;
    begin
      if (awvalid && awready) awvalid <= 0;
      if (wvalid && wready) wvalid <= 0;
      if (arvalid && arready) arvalid <= 0;
      if (aw_pending && noise[7:0] >= bus_idle) begin
        awvalid <= 1;
        aw_pending = 0;
      end
      if (w_pending && noise[15:8] >= bus_idle) begin
        wvalid <= 1;
        w_pending = 0;
      end
      if (ar_pending && noise[7:0] >= bus_idle) begin
        arvalid <= 1;
        ar_pending = 0;
      end
      bready <= noise[23:16] >= bus_idle;
      rready <= noise[23:16] >= bus_idle;
      if (bvalid && bready) respond(bresp);
      if (rvalid && rready) begin
        answer = rdata;
        respond(rresp);
      end
    end
  endtask

  task streams;
    begin
      // A gate changes only while nothing is offered or it is taken: valid never drops.
      if (image_taken) begin
        code_at <= code_at + 1;
        if (image_last) image_open = 0;
      end
      if (!image_valid || image_taken) image_valid <= image_open && noise[31:24] >= image_idle;
      result_ready <= noise[19:12] >= result_pause;
      if (result_taken) begin
        checked = checked + 1;
        if (result_at >= RESULTS || result !== extended[31:0]
            || result_last !== (result_at + 1 == RESULTS) || result_cut !== 1'b0) begin
          differ;
          if (errors <= SHOWN)
            $display("image %0d result %0d: must be %h, not %h (tlast %b, tuser %b)", image,
                     result_at, extended[31:0], result, result_last, result_cut);
        end
        result_at <= result_at + 1;
      end
    end
  endtask

  task must(input right, input [8*40-1:0] what, input [31:0] found);
    begin
      checked = checked + 1;
      if (right !== 1'b1) begin
        differ;
        if (errors <= SHOWN) $display("image %0d: %0s, not %h", image, what, found);
      end
    end
  endtask

  // The next access, when none is under way.
  task next;
    case (state)
@if EXTERNAL@
      SET_BASE: begin
        access(1, MEMORY_BASE, BASE, OKAY);
        state <= NEXT_ROW;
      end
@end@
      NEXT_ROW:
      if (load_at == LOADS) begin
        $display("%0d rows loaded in %0d accesses, cycle %0d", LOADS, accesses, cycle);
        $fflush;
        state <= RUN;
      end else begin
        word_at <= 0;
        if (load_at != 0 && target == memory[load_at][0+:TARGET_BITS]
            && row + 1 == memory[load_at][TARGET_BITS+:ROW_BITS])
          state <= SET_DATA;
        else begin
          access(1, TARGET, {{32 - TARGET_BITS{1'b0}}, memory[load_at][0+:TARGET_BITS]}, OKAY);
          state <= SET_ROW;
        end
        target <= memory[load_at][0+:TARGET_BITS];
        row <= memory[load_at][TARGET_BITS+:ROW_BITS];
      end
      SET_ROW: begin
        access(1, ROW, {{32 - ROW_BITS{1'b0}}, row}, OKAY);
        state <= SET_DATA;
      end
      SET_DATA: begin
        access(1, DATA, memory[load_at] >> (TARGET_BITS + ROW_BITS + 32 * word_at), OKAY);
        word_at <= word_at + 1;
        if (word_at + 1 == words(target)) begin
          load_at <= load_at + 1;
          state <= NEXT_ROW;
        end
      end
      RUN: begin
        access(1, CONTROL, START, OKAY);
        code_at <= 0;
        result_at <= 0;
        cycle <= 0;
        state <= DISTURB;
      end
      DISTURB: begin  // no code was offered: it is busy
        access(1, DATA, noise, SLVERR);
        state <= SEE;
      end
      SEE: begin
        access(0, ERROR, 0, OKAY);
        state <= CLEAR;
      end
      CLEAR: begin
        must(answer === ERROR_BUSY, "ERROR must be BUSY alone", answer);
        access(1, ERROR, ERROR_BUSY, OKAY);
        image_open = 1;
        state <= WAIT;
      end
      WAIT:
      if (cycle > limit) begin
        must(0, "it must end in time; cycles", cycle[31:0]);
        state <= FINISHED;
      end else if (writing || (answer & (BUSY | WAITING)) != 0 || result_at != RESULTS) access(0, STATUS, 0, OKAY);
      else begin
        must(answer === (DONE | LOADED), "STATUS must be DONE and LOADED", answer);
        access(0, CYCLES, 0, OKAY);
        state <= COUNT;
      end
      COUNT: begin
        total <= answer;
        access(0, INPUT_STALLS, 0, OKAY);
        state <= COUNT_IN;
      end
      COUNT_IN: begin
        input_stalls <= answer;
        access(0, OUTPUT_STALLS, 0, OKAY);
        state <= COUNT_OUT;
      end
      COUNT_OUT: begin
        must(@CYCLES_RIGHT@, "cycles must be the model's and stalls", total);
        $display("image %0d of %0d: %0d cycles, %0d of them waiting for the image, %0d for results",
                 image + 1, IMAGES, total, input_stalls, answer);
        $fflush;
        access(0, ERROR, 0, OKAY);
        state <= CLEAN;
      end
      CLEAN: begin
        must(answer === 0, "ERROR must be clear", answer);
        image <= image + 1;
        state <= image + 1 == IMAGES ? FINISHED : RUN;
      end
      FINISHED:
      if (!done) begin
        done <= 1;
        if (errors == 0) $display("PASS: %0d images, %0d checks over AXI", IMAGES, checked);
        else $display("FAIL: %0d differences in %0d checks over AXI", errors, checked);
      end
    endcase
  endtask

  always @(posedge clk) begin
    if (rst) begin
      state <= wrong ? FINISHED : @FIRST_STATE@;
      failed <= wrong;
      {done, awvalid, wvalid, arvalid, bready, rready, image_valid, result_ready} <= 0;
      {busy, writing, aw_pending, w_pending, ar_pending, image_open} = 0;
      {load_at, image, code_at, result_at, cycle} <= 0;
      {errors, checked, accesses} = 0;
      if (wrong) errors = 1;
      noise <= seed ^ 32'h2545f491;
    end else begin
      cycle <= cycle + 1;
      noise <= noise == 0 ? 32'd1 : {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
      if (state != FINISHED && cycle % PROGRESS == PROGRESS - 1) begin
        if (load_at != LOADS) begin
          if (cycle % (8 * PROGRESS) < PROGRESS) $display("loading: row %0d of %0d", load_at, LOADS);
        end else
          $display("image %0d of %0d: cycle %0d of about %0d", image + 1, IMAGES, cycle + 1, TOTAL);
        $fflush;
      end
      bus;
      streams;
      if (!busy) next;
    end
  end
endmodule
`default_nettype wire
