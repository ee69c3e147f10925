// External memory behind AXI4: the arithmetic of rtl/timing/dram.py, cycle by cycle; and the same
// behind a master, for the ports of an accelerator without one.
//
// Words are read from a file, a beat per line, in the cycle of `fill`. In the cycle of `forget` no
// row is open any more. base: byte address of the first word, from which rows count. stall: chance
// out of 256 that an address, a beat or a response waits a cycle longer; 0: exactly the model.

module @PREFIX@_memory_model #(
    parameter FOLDER = "./"  // of the file, where its name does not say
) (
    input  wire clk,
    input  wire rst,
    input  wire fill,
    input  wire forget,
    input  wire [31:0] program_number,
    input  wire [31:0] base,
    input  wire [31:0] latency,
    input  wire [31:0] beat_cycles,
    input  wire [31:0] row_shift,
    input  wire [31:0] row_miss,
    input  wire [31:0] stall,
    input  wire [31:0] araddr,
    input  wire [7:0] arlen,
    input  wire arvalid,
    output wire arready,
    output wire [@BUS_WIDTH@-1:0] rdata,
    output wire rlast,
    output wire rvalid,
    input  wire rready,
    input  wire [31:0] awaddr,
    input  wire [7:0] awlen,
    input  wire awvalid,
    output wire awready,
    input  wire [@BUS_WIDTH@-1:0] wdata,
    input  wire [@BUS_WIDTH@/8-1:0] wstrb,
    input  wire wlast,
    input  wire wvalid,
    output wire wready,
    output wire bvalid,
    input  wire bready
);
  localparam BEATS = @MEMORY_BEATS@, BYTES = @BUS_WIDTH@ / 8, SHIFT = $clog2(BYTES), QUEUE = 32;

  reg [@BUS_WIDTH@-1:0] words[0:BEATS-1];
  reg burst_store[0:QUEUE-1];
  reg [31:0] burst_address[0:QUEUE-1], burst_beats[0:QUEUE-1], burst_at[0:QUEUE-1];
  reg [31:0] answer_at[0:QUEUE-1];
  reg [4:0] head, tail, answer_head, answer_tail;
  reg [31:0] cycle, done_beats, free_at, open_row, noise;
  reg row_is_open, address_gate, beat_gate, answer_gate;
  integer i;

  wire store = burst_store[head];
  wire [31:0] address = burst_address[head] - base + done_beats * BYTES;
  wire [31:0] row = (burst_address[head] - base) >> row_shift;
  wire [31:0] penalty = row_is_open && row == open_row ? 0 : row_miss;
  wire [31:0] from_address = burst_at[head] + (store ? 1 : latency);
  wire [31:0] first_at = (from_address > free_at ? from_address : free_at) + penalty;
  wire due = head != tail && beat_gate && cycle >= (done_beats == 0 ? first_at : free_at);
  wire last = done_beats + 1 == burst_beats[head];
  wire moved = (rvalid && rready) || (wready && wvalid);
  wire answer_due = answer_head != answer_tail && answer_gate && cycle >= answer_at[answer_head];
  wire [31:0] beat_number = address >> SHIFT;

  assign arready = address_gate;
  assign awready = address_gate;
  assign rvalid = due && !store;
  assign rdata = words[beat_number];
  assign rlast = last;
  assign wready = due && store;
  assign bvalid = answer_due;

  always @(posedge clk) begin
    if (fill) $readmemh(@CONTENTS@, words@RANGE@);
    if (rst) begin
      head <= 0;
      tail <= 0;
      answer_head <= 0;
      answer_tail <= 0;
      cycle <= 0;
      done_beats <= 0;
      free_at <= 0;
      row_is_open <= 0;
      noise <= 32'h2545F491;
      address_gate <= 1;
      beat_gate <= 1;
      answer_gate <= 1;
    end else begin
      cycle <= cycle + 1;
      noise <= {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
      address_gate <= noise[7:0] >= stall;
      // An offered beat or answer stays until it is taken.
      if (!due || moved) beat_gate <= noise[15:8] >= stall;
      if (!answer_due || bready) answer_gate <= noise[23:16] >= stall;
      if (forget) row_is_open <= 0;
      if (address_gate && (arvalid || awvalid)) begin
        burst_store[tail] <= awvalid;
        burst_address[tail] <= awvalid ? awaddr : araddr;
        burst_beats[tail] <= (awvalid ? awlen : arlen) + 1;
        burst_at[tail] <= cycle;
        tail <= tail + 1;
        if (arvalid && awvalid) $display("memory: two addresses in a cycle");
      end
      if (moved) begin
        free_at <= cycle + beat_cycles;
        row_is_open <= 1;
        open_row <= row;
        done_beats <= last ? 0 : done_beats + 1;
        if (store)
          for (i = 0; i < BYTES; i = i + 1)
            if (wstrb[i]) words[beat_number][8*i+:8] <= wdata[8*i+:8];
        if (store && wlast != last) $display("memory: wrong last beat of a burst");
        if (last) head <= head + 1;
        if (last && store) begin
          answer_at[answer_tail] <= cycle + latency;
          answer_tail <= answer_tail + 1;
        end
      end
      if (answer_due && bready) answer_head <= answer_head + 1;
    end
  end
endmodule

module @PREFIX@_memory_bench #(
    parameter FOLDER = "./"  // of the file, where its name does not say
) (
    input  wire clk,
    input  wire rst,
    input  wire fill,
    input  wire forget,
    input  wire [31:0] program_number,
    input  wire [31:0] latency,
    input  wire [31:0] beat_cycles,
    input  wire [31:0] row_shift,
    input  wire [31:0] row_miss,
    input  wire [31:0] stall,
    input  wire stop,
    output wire idle,
    input  wire memory_request_valid,
    output wire memory_request_ready,
    input  wire [@REQUEST_WIDTH@-1:0] memory_request_payload,
    output wire memory_reads_valid,
    input  wire memory_reads_ready,
    output wire [@BUS_WIDTH@-1:0] memory_reads_payload,
    input  wire memory_writes_valid,
    output wire memory_writes_ready,
    input  wire [@WRITE_BEAT_WIDTH@-1:0] memory_writes_payload,
    output wire memory_ended
);
  wire [31:0] araddr, awaddr;
  wire [7:0] arlen, awlen;
  wire arvalid, arready, rlast, rvalid, rready, awvalid, awready;
  wire wlast, wvalid, wready, bvalid, bready;
  wire [@BUS_WIDTH@-1:0] rdata, wdata;
  wire [@BUS_WIDTH@/8-1:0] wstrb;

  @PREFIX@_memory_model #(
      .FOLDER(FOLDER)
  ) model (
      .clk(clk),
      .rst(rst),
      .fill(fill),
      .forget(forget),
      .program_number(program_number),
      .base(32'd0),
      .latency(latency),
      .beat_cycles(beat_cycles),
      .row_shift(row_shift),
      .row_miss(row_miss),
      .stall(stall),
      .araddr(araddr),
      .arlen(arlen),
      .arvalid(arvalid),
      .arready(arready),
      .rdata(rdata),
      .rlast(rlast),
      .rvalid(rvalid),
      .rready(rready),
      .awaddr(awaddr),
      .awlen(awlen),
      .awvalid(awvalid),
      .awready(awready),
      .wdata(wdata),
      .wstrb(wstrb),
      .wlast(wlast),
      .wvalid(wvalid),
      .wready(wready),
      .bvalid(bvalid),
      .bready(bready)
  );

  @MASTER@ master (
      .clk(clk),
      .rst(rst),
      .base(32'd0),
      .stop(stop),
      .idle(idle),
      .failed(),
      .memory_request_valid(memory_request_valid),
      .memory_request_ready(memory_request_ready),
      .memory_request_payload(memory_request_payload),
      .memory_reads_valid(memory_reads_valid),
      .memory_reads_ready(memory_reads_ready),
      .memory_reads_payload(memory_reads_payload),
      .memory_writes_valid(memory_writes_valid),
      .memory_writes_ready(memory_writes_ready),
      .memory_writes_payload(memory_writes_payload),
      .memory_ended(memory_ended),
      .m_axi_arid(),
      .m_axi_araddr(araddr),
      .m_axi_arlen(arlen),
      .m_axi_arsize(),
      .m_axi_arburst(),
      .m_axi_arcache(),
      .m_axi_arprot(),
      .m_axi_arvalid(arvalid),
      .m_axi_arready(arready),
      .m_axi_rid(1'b0),
      .m_axi_rdata(rdata),
      .m_axi_rresp(2'b00),
      .m_axi_rlast(rlast),
      .m_axi_rvalid(rvalid),
      .m_axi_rready(rready),
      .m_axi_awid(),
      .m_axi_awaddr(awaddr),
      .m_axi_awlen(awlen),
      .m_axi_awsize(),
      .m_axi_awburst(),
      .m_axi_awcache(),
      .m_axi_awprot(),
      .m_axi_awvalid(awvalid),
      .m_axi_awready(awready),
      .m_axi_wdata(wdata),
      .m_axi_wstrb(wstrb),
      .m_axi_wlast(wlast),
      .m_axi_wvalid(wvalid),
      .m_axi_wready(wready),
      .m_axi_bid(1'b0),
      .m_axi_bresp(2'b00),
      .m_axi_bvalid(bvalid),
      .m_axi_bready(bready)
  );
endmodule
