// External memory behind AXI4, and the master in front of it: the arithmetic of
// rtl/timing/dram.py, cycle by cycle.
//
// Words are read from <program>_memory.hex, a beat per line, in the cycle of `fill`. In the cycle
// of `forget` no row is open any more. stop, idle: of the master. stall: chance out of 256 that an address, a beat or a
// response waits a cycle longer; 0: exactly the model.

module adqhw_memory_bench (
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
  localparam BEATS = @MEMORY_BEATS@, BYTES = @BUS_WIDTH@ / 8, SHIFT = $clog2(BYTES), QUEUE = 32;

  reg [@BUS_WIDTH@-1:0] words[0:BEATS-1];
  reg burst_store[0:QUEUE-1];
  reg [31:0] burst_address[0:QUEUE-1], burst_beats[0:QUEUE-1], burst_at[0:QUEUE-1];
  reg [31:0] answer_at[0:QUEUE-1];
  reg [4:0] head, tail, answer_head, answer_tail;
  reg [31:0] cycle, done_beats, free_at, open_row, noise;
  reg row_is_open, address_gate, beat_gate, answer_gate;
  integer i;

  wire [31:0] araddr, awaddr;
  wire [7:0] arlen, awlen;
  wire arvalid, awvalid, wvalid, wlast, rready, bready;
  wire [@BUS_WIDTH@-1:0] wdata;
  wire [BYTES-1:0] wstrb;

  wire store = burst_store[head];
  wire [31:0] address = burst_address[head] + done_beats * BYTES;
  wire [31:0] row = burst_address[head] >> row_shift;
  wire [31:0] penalty = row_is_open && row == open_row ? 0 : row_miss;
  wire [31:0] from_address = burst_at[head] + (store ? 1 : latency);
  wire [31:0] first_at = (from_address > free_at ? from_address : free_at) + penalty;
  wire due = head != tail && beat_gate && cycle >= (done_beats == 0 ? first_at : free_at);
  wire rvalid = due && !store;
  wire wready = due && store;
  wire last = done_beats + 1 == burst_beats[head];
  wire moved = (rvalid && rready) || (wready && wvalid);
  wire answer_due = answer_head != answer_tail && answer_gate && cycle >= answer_at[answer_head];
  wire [31:0] beat_number = address >> SHIFT;

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
      .m_axi_arready(address_gate),
      .m_axi_rid(1'b0),
      .m_axi_rdata(words[beat_number]),
      .m_axi_rresp(2'b00),
      .m_axi_rlast(last),
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
      .m_axi_awready(address_gate),
      .m_axi_wdata(wdata),
      .m_axi_wstrb(wstrb),
      .m_axi_wlast(wlast),
      .m_axi_wvalid(wvalid),
      .m_axi_wready(wready),
      .m_axi_bid(1'b0),
      .m_axi_bresp(2'b00),
      .m_axi_bvalid(answer_due),
      .m_axi_bready(bready)
  );

  always @(posedge clk) begin
    if (fill) $readmemh($sformatf("%0d_memory.hex", program_number), words);
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
